/** Texts of the configuration as values, by the rules of the original's YAML library (docs/configuration.md, Forms of values). */

import { parseDuration } from '../base/duration.ts';
import { parseSize } from '../base/size.ts';

/** `problem` completes the sentence `"TEXT" …`. */
export type Parsed<T> = { readonly value: T; readonly warning?: string } | { readonly problem: string };

const TRUE_WORDS = new Set(['true', 'yes', 'on', 'y', '1', 't']);
const FALSE_WORDS = new Set(['false', 'no', 'off', 'n', '0', 'f']);

export function parseBool(text: string): Parsed<boolean> {
  const word = text.toLowerCase();
  if (TRUE_WORDS.has(word)) return { value: true };
  return FALSE_WORDS.has(word) ? { value: false } : { problem: 'is not true or false' };
}

/** Decimal, `0x`, `0b`, `0o` and octal with a leading zero; underscores between digits. */
export function parseInteger(text: string): Parsed<number> {
  const match = /^([+-]?)(0x[0-9a-f]+|0o[0-7]+|0b[01]+|0[0-7]*|[1-9][0-9]*)$/i.exec(
    text.trim().replace(/(?<=[0-9a-f])_(?=[0-9a-f])/gi, ''),
  );
  const digits = match?.[2];
  if (digits === undefined) return { problem: 'is not a whole number' };
  const value = Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  if (!Number.isSafeInteger(value)) return { problem: 'is too large' };
  return { value: match?.[1] === '-' ? -value : value };
}

/** A whole number of bytes, or a number with a unit such as `64MB` (powers of 1000) or `64MiB` (powers of 1024). */
export function parseBytes(text: string): Parsed<number> {
  const plain = parseInteger(text);
  if ('value' in plain) return plain;
  try {
    return { value: parseSize(text) };
  } catch {
    return { problem: 'is not a size such as 67108864, 64MB or 64MiB' };
  }
}

/** Go syntax plus `d` and `w`, in ms. A bare number means nanoseconds, as in the original, and is doubtful. */
export function parseDurationText(text: string): Parsed<number> {
  const word = text.trim();
  if (/^[+-]?[0-9][0-9_]*$/.test(word) && !/^[+-]?0+$/.test(word)) {
    const nanoseconds = Number(word.replaceAll('_', ''));
    return { value: nanoseconds / 1e6, warning: `a duration without a unit means nanoseconds; did you mean "${nanoseconds}s"?` };
  }
  try {
    return { value: parseDuration(word) };
  } catch {
    return { problem: 'is not a duration such as 500ms, 10s, 1h30m or 7d' };
  }
}
