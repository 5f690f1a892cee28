/** The failures of one uploader since its last success: when to try again, what to tell, how often to log. */

import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { type ErrorData, errorToData, LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';

/** Longest wait between attempts, and the cadence of attempts that somebody has to make possible first, ms. */
export const SLOW_CADENCE_MS = 5 * 60_000;
/** Repeated failures are logged this often, ms. */
const LOG_INTERVAL_MS = 30_000;

export interface Failure {
  readonly error: ErrorData;
  /** ms since the epoch. */
  readonly at: number;
  /** Failures in a row. */
  readonly attempts: number;
  /** ms since the epoch; absent when nothing is tried any more. */
  readonly nextTryAt?: number;
}

export class Failures {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #backoff: Backoff;
  #last: Failure | undefined;
  #loggedAt = Number.NEGATIVE_INFINITY;

  /** @param firstDelayMs wait after the first failure. */
  constructor(clock: Clock, log: Logger, firstDelayMs: number) {
    this.#clock = clock;
    this.#log = log;
    this.#backoff = new Backoff({ initialMs: firstDelayMs, capMs: SLOW_CADENCE_MS });
  }

  /** The failure that stands. */
  get last(): Failure | undefined {
    return this.#last;
  }

  /** Notes a failure and returns how long to wait, ms: Infinity for never. */
  add(thrown: unknown): number {
    const error = errorToData(thrown);
    const delay = this.#delayAfter(thrown);
    const now = this.#clock.now();
    this.#last = { error, at: now, attempts: this.#backoff.attempts, ...(Number.isFinite(delay) ? { nextTryAt: now + delay } : {}) };
    if (now - this.#loggedAt >= LOG_INTERVAL_MS) {
      this.#loggedAt = now;
      this.#log.log('error', 'upload failed', {
        error,
        failures: this.#backoff.attempts,
        retry_in_ms: Number.isFinite(delay) ? delay : null,
      });
    }
    return delay;
  }

  /** Notes a success; returns how many failures it ended. */
  clear(): number {
    const attempts = this.#backoff.attempts;
    if (attempts > 0) this.#log.log('info', 'uploads go on again', { failures: attempts });
    this.#last = undefined;
    this.#backoff.reset();
    this.#loggedAt = Number.NEGATIVE_INFINITY;
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
