/** Numbers, times and names as the summaries of all cards say them. */

import { cleanName } from '../untrusted.ts';

/** 50541568 → `48.2 MiB`. */
export function bytesInWords(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** 838 → `14 min`. */
export function secondsInWords(seconds: number): string {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** `1 file`, `2 files`. */
export const countOf = (count: number, noun: string): string => `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;

/** The last part of a path, for sentences; the whole path stands in the fields. */
export function shortName(database: string): string {
  const base = database.split('/').at(-1) ?? database;
  return cleanName(base === '' ? database : base);
}

/** `a, b and 3 more`. */
export function listInWords(names: readonly string[], most = 3): string {
  const shown = names.slice(0, most).map(cleanName).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
