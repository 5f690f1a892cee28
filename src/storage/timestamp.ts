/** Creation times as they stand in the metadata of objects. */

/** `ms` since the epoch in RFC 3339, always with milliseconds and `Z`. */
export const formatTimestamp = (ms: number): string => new Date(ms).toISOString();

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;

/** The ms since the epoch that text in RFC 3339 names, with 0 to 9 fractional digits, cut to the millisecond; undefined for anything else. */
export function parseTimestamp(text: string | undefined): number | undefined {
  if (text === undefined || !RFC3339.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
