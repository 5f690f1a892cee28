/** The creation time as metadata of an object. */

/** Header `x-amz-meta-litestream-timestamp`, as the original writes it. */
export const TIMESTAMP_KEY = 'litestream-timestamp';

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/** RFC 3339 in UTC with milliseconds, trailing zeros cut as the original does. */
export function formatTimestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.?0+Z$/, 'Z');
}

/** ms since the epoch, cut to the millisecond; undefined for anything that is not RFC 3339 with at most nine digits of a fraction. */
export function parseTimestamp(text: string | undefined): number | undefined {
  const match = text === undefined ? null : RFC3339.exec(text.trim());
  if (match === null) return undefined;
  const [, date = '', time = '', fraction = '', zone = ''] = match;
  const ms = Date.parse(`${date}T${time}${zone.toUpperCase()}`) + Number(fraction.padEnd(3, '0').slice(0, 3));
  return Number.isNaN(ms) ? undefined : ms;
}
