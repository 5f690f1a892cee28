/** Points in time as people and models write them: RFC 3339 with a zone, or an age such as -2h30m. */

import { LitestreamError } from '../base/errors.ts';

const RFC3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/;
const AGE = /^-(?:\d+(?:\.\d+)?(?:ms|[wdhms]))+$/;
const UNIT_MS: Readonly<Record<string, number>> = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/**
 * The instant in ms since the epoch. Digits below the millisecond round up, because the instant is an exclusive upper bound.
 * Throws USAGE naming `argument`.
 */
export function parseMoment(text: string, now: number, argument: string): number {
  const ms = RFC3339.test(text) ? parseInstant(text) : AGE.test(text) ? now - ageMs(text) : Number.NaN;
  if (Number.isFinite(ms) && ms >= -8.64e15 && ms <= 8.64e15) return ms;
  throw new LitestreamError('USAGE', `${argument}: "${text.slice(0, 64)}" is not a point in time`, {
    details: { argument },
    hint: 'Give RFC 3339 with a zone, such as 2026-03-01T12:00:00Z, or an age such as -15m, -2h30m, -3d.',
  });
}

function parseInstant(text: string): number {
  const parts = RFC3339.exec(text);
  if (!parts) return Number.NaN;
  const [, day = '', time = '', fraction = '', zone = ''] = parts;
  const digits = fraction.padEnd(9, '0');
  const whole = Date.parse(`${day}T${time}.${digits.slice(0, 3)}${zone.toUpperCase()}`);
  // Date.parse would roll 30 February over to March.
  const offset =
    zone.length === 1 ? 0 : (zone.startsWith('-') ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6))) * 60_000;
  if (!Number.isFinite(whole) || !new Date(whole + offset).toISOString().startsWith(`${day}T`)) return Number.NaN;
  return whole + (Number(digits.slice(3)) > 0 ? 1 : 0);
}

function ageMs(text: string): number {
  let total = 0;
  for (const [, amount = '0', unit = 's'] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[wdhms])/g))
    total += Number(amount) * (UNIT_MS[unit] ?? Number.NaN);
  return Math.round(total);
}

/** RFC 3339, UTC, with milliseconds. */
export const formatInstant = (ms: number): string => new Date(Math.round(ms)).toISOString();

/** Seconds with three decimals. */
export const toSeconds = (ms: number): number => Math.round(ms) / 1000;

/** Seconds as they are shown: three decimals. */
export const roundSeconds = (seconds: number): number => Math.round(seconds * 1000) / 1000;
