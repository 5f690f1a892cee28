/** The failures of one uploader since its last success: when to try again, what to tell, how often to log. */

import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { type ErrorData, errorToData, LitestreamError } from '../../base/errors.ts';
import type { LogFields, Logger } from '../../base/log.ts';

/** Longest wait between attempts, and the cadence of attempts that somebody has to make possible first, ms. */
export const SLOW_CADENCE_MS = 5 * 60_000;
/** What a person who removes the cause wants to know; the cadence is `SLOW_CADENCE_MS`. */
const SLOW_ADVICE = 'It is tried again every 5 minutes, at once with `litestream sync -wait`.';

/** A hint of a failure where nothing is tried any more; undefined when nothing else was in it. */
export function withoutSlowAdvice(hint: string | undefined): string | undefined {
  return hint?.endsWith(SLOW_ADVICE) ? hint.slice(0, -SLOW_ADVICE.length).trimEnd() || undefined : hint;
}

/** Least distance between two lines about the same problem, ms. */
export const LOG_INTERVAL_MS = 30_000;

export interface ProblemWords {
  readonly level: 'warn' | 'error';
  readonly failing: string;
  /** Said at level info; default: nothing is said. */
  readonly over?: string;
}

/**
 * Lines about something that fails again and again: each kind of failure at once, then at most every 30 s, also when successes come
 * between; the end of what was told once.
 */
export class ProblemLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #words: ProblemWords;
  /** By kind, monotonic ms; absent until something fails, because a database has a dozen of these and there may be thousands. */
  #toldAt: Map<string, number> | undefined;
  #failures = 0;
  #isTold = false;

  constructor(clock: Clock, log: Logger, words: ProblemWords) {
    this.#clock = clock;
    this.#log = log;
    this.#words = words;
  }

  /** @param kind failures of one kind are one problem; an error code. The hint of `fields.error` is told with it. */
  failed(kind: string, fields: LogFields): void {
    this.#failures += 1;
    const now = this.#clock.monotonic();
    this.#toldAt ??= new Map();
    if (now - (this.#toldAt.get(kind) ?? Number.NEGATIVE_INFINITY) < LOG_INTERVAL_MS) return;
    this.#toldAt.set(kind, now);
    this.#isTold = true;
    this.#log.log(this.#words.level, this.#words.failing, { ...fields, failures: this.#failures, ...adviceOn(fields.error) });
  }

  succeeded(): void {
    if (!this.#isTold) return;
    if (this.#words.over !== undefined) this.#log.log('info', this.#words.over, { failures: this.#failures });
    this.#isTold = false;
    this.#failures = 0;
  }
}

function adviceOn(error: unknown): { readonly hint?: string } {
  const hint = typeof error === 'object' && error !== null && 'hint' in error ? error.hint : undefined;
  return typeof hint === 'string' ? { hint } : {};
}

export interface Failure {
  readonly error: ErrorData;
  /** ms since the epoch. */
  readonly at: number;
  /** Failures in a row. */
  readonly attempts: number;
  /** ms since the epoch; absent when nothing is tried any more. */
  readonly nextTryAt?: number;
}

/** Nothing else says when a corrected permission is noticed. */
function withCadence(error: ErrorData): ErrorData {
  if (error.code !== 'ACCESS_DENIED') return error;
  return { ...error, hint: error.hint === undefined ? SLOW_ADVICE : `${error.hint} ${SLOW_ADVICE}` };
}

export class Failures {
  readonly #clock: Clock;
  readonly #problems: ProblemLog;
  readonly #backoff: Backoff;
  #last: Failure | undefined;

  /** @param firstDelayMs wait after the first failure. */
  constructor(clock: Clock, log: Logger, firstDelayMs: number) {
    this.#clock = clock;
    this.#problems = new ProblemLog(clock, log, { level: 'error', failing: 'upload failed', over: 'uploads go on again' });
    this.#backoff = new Backoff({ initialMs: firstDelayMs, capMs: SLOW_CADENCE_MS });
  }

  /** The failure that stands. */
  get last(): Failure | undefined {
    return this.#last;
  }

  /** Notes a failure and returns how long to wait, ms: Infinity for never. */
  add(thrown: unknown): number {
    const error = withCadence(errorToData(thrown));
    const delay = this.#delayAfter(thrown);
    const now = this.#clock.now();
    this.#last = { error, at: now, attempts: this.#backoff.attempts, ...(Number.isFinite(delay) ? { nextTryAt: now + delay } : {}) };
    this.#problems.failed(error.code, { error, retry_in_ms: Number.isFinite(delay) ? delay : null });
    return delay;
  }

  /** Notes a success; returns how many failures it ended. */
  clear(): number {
    const attempts = this.#backoff.attempts;
    this.#problems.succeeded();
    this.#last = undefined;
    this.#backoff.reset();
    return attempts;
  }

  /** Doubling for what may pass by itself, slow for what somebody must change, never after another writer was found. */
  #delayAfter(thrown: unknown): number {
    const delay = this.#backoff.next();
    if (!(thrown instanceof LitestreamError)) return SLOW_CADENCE_MS;
    if (thrown.disposition === 'fatal' && thrown.code !== 'INTERNAL') return Number.POSITIVE_INFINITY;
    return thrown.disposition === 'retry' ? delay : SLOW_CADENCE_MS;
  }
}
