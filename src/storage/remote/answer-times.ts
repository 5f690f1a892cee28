/** What the headers of an answer say about time: how long to wait, and what the service takes the time to be. */

/** The longest wait that is believed, ms. */
const LONGEST_WAIT_MS = 3_600_000;

/** Milliseconds a `Retry-After` header asks to wait, in seconds or as a date, at most an hour; undefined without one that can be read. */
export function retryAfterMs(header: string | null | undefined, now: number = Date.now()): number | undefined {
  if (header === null || header === undefined || header.trim() === '') return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.min(LONGEST_WAIT_MS, Math.max(0, Math.round(ms)));
}

/** How far a service's clock, from its `Date` header, is ahead of ours, ms; undefined when it tells none. */
export function clockSkewMs(header: string | null | undefined, now: number = Date.now()): number | undefined {
  const time = header === null || header === undefined ? Number.NaN : Date.parse(header);
  return Number.isNaN(time) ? undefined : time - now;
}
