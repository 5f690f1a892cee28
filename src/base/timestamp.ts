/** Moments as they stand in files and in the metadata of objects: RFC 3339 in UTC, trailing zeros dropped (docs/formats/ltx.md, Names). */

const FORM = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/i;

/** `ms` since the epoch, such as `2023-11-14T22:13:20.12Z`. RangeError beyond the dates of JavaScript. */
export const formatTimestamp = (ms: number): string => new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z');

/** Milliseconds since the epoch, finer digits cut off; undefined for any other text, and for none. */
export function parseTimestamp(text: string | undefined): number | undefined {
  if (text === undefined || !FORM.test(text)) return undefined;
  const ms = Date.parse(text.replace(/(\.\d{3})\d+/, '$1'));
  return Number.isNaN(ms) ? undefined : ms;
}
