/** Durations as people write them: Go syntax (`1h30m`, `1.5s`, `250ms`) plus `d` and `w`; printed back in Go's form. */

import { LitestreamError } from './errors.ts';

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5, micro sign
  μs: 1e-3, // U+03BC, Greek mu
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const TERM = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)/y;

/**
 * Parses a duration to milliseconds (with fractions). `0` needs no unit; any other bare number is refused, because the original takes it
 * as nanoseconds and nobody means that. Throws USAGE.
 */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  const sign = trimmed.startsWith('-') ? -1 : 1;
  const body = trimmed.replace(/^[+-]/, '');
  if (body === '0') return 0;
  if (body === '') throw invalidDuration(text);
  let total = 0;
  for (let at = 0; at < body.length; at = TERM.lastIndex) {
    TERM.lastIndex = at;
    const [, amount, unit] = TERM.exec(body) ?? [];
    if (amount === undefined || unit === undefined) throw invalidDuration(text);
    total += Number(amount) * (MS_PER_UNIT[unit] ?? Number.NaN);
  }
  // Sums of decimal fractions of a millisecond are cut to whole nanoseconds.
  return (sign * Math.round(total * 1e6)) / 1e6;
}

function invalidDuration(text: string): LitestreamError {
  const bare = /^[+-]?\d+(\.\d+)?$/.test(text.trim());
  return new LitestreamError('USAGE', `"${text}" is not a duration`, {
    hint: bare
      ? `Add a unit, such as ${text.trim()}s or ${text.trim()}ms.`
      : 'Write a number with a unit: ms, s, m, h, d or w, such as 30s or 1h30m.',
  });
}

/** Prints milliseconds as Go does: `0s`, `250µs`, `1.5s`, `1h30m0s`; hours are the largest unit. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  const ns = Math.round(ms * 1e6);
  if (ns === 0) return '0s';
  if (ns < 1e3) return `${ns}ns`;
  if (ns < 1e6) return `${ns / 1e3}µs`;
  if (ns < 1e9) return `${ns / 1e6}ms`;
  const whole = Math.floor(ns / 1e9);
  const fraction = (ns - whole * 1e9).toString().padStart(9, '0').replace(/0+$/, '');
  const seconds = `${whole % 60}${fraction === '' ? '' : `.${fraction}`}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes === 0) return seconds;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`;
}
