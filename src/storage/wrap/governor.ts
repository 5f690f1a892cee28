/** How many requests a destination is asked at once: fewer while it throttles, slowly more afterwards. */

import type { Clock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';

/** Least time between two reductions, ms: the requests in flight at the first refusal are refused together. */
const DOWN_MS = 1_000;
/** Least time between two additions of one, ms. */
const UP_MS = 2_000;
/** Without a refusal for so long everything is as before, ms. */
const RECOVERED_MS = 5 * 60_000;
/** An episode has not ended before this, ms: what is refused once a minute is one episode, not many. */
const QUIET_MS = 60_000;

/** Longest wait of one request for the moment the destination has named, ms; who would have to wait longer fails at once. */
const PATIENCE_MS = 60_000;

/** The destination asks for fewer requests. */
export interface Refusal {
  /** And for none before this has passed, ms. */
  readonly retryAfterMs: number;
}

export interface GovernorListener {
  /** The first refusal of an episode; the number of requests at once from now on. */
  throttled(limit: number): void;
  /** The end of the episode. */
  recovered(): void;
}

/** Halves what is in flight at a refusal, and adds one at a time while requests succeed. Needs no timer. */
export class Governor {
  readonly #max: number;
  readonly #clock: Clock;
  readonly #listener: GovernorListener | undefined;
  readonly #semaphore: Semaphore;
  #limit: number;
  #inFlight = 0;
  #isThrottled = false;
  #changedAt = Number.NEGATIVE_INFINITY;
  #refusedAt = Number.NEGATIVE_INFINITY;
  /** Nothing is asked before. */
  #notBefore = Number.NEGATIVE_INFINITY;

  /** @param max requests at once when nothing stands in the way, ≥ 1 */
  constructor(max: number, clock: Clock, listener?: GovernorListener) {
    this.#max = max;
    this.#limit = max;
    this.#clock = clock;
    this.#listener = listener;
    this.#semaphore = new Semaphore(max);
  }

  /** Requests at once as of now. */
  get limit(): number {
    return this.#limit;
  }

  /** From the first refusal until the limit is what it was and there has been quiet for a while. */
  get isThrottled(): boolean {
    return this.#isThrottled;
  }

  /**
   * Runs a request when there is a place for it, and not before the moment that the destination has named in a refusal: STORAGE_THROTTLED
   * when that is far off. `refusalOf` tells by a request's error whether the destination asks for less.
   */
  async run<T>(work: () => Promise<T>, refusalOf: (error: unknown) => Refusal | undefined, signal?: AbortSignal): Promise<T> {
    const release = await this.#semaphore.acquire(signal);
    this.#inFlight += 1;
    try {
      await this.#wait(signal);
      const result = await work();
      this.#succeeded();
      return result;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal !== undefined && !(error instanceof HeldBack)) this.#refused(refusal);
      throw error;
    } finally {
      this.#inFlight -= 1;
      release();
    }
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const left = this.#notBefore - this.#clock.monotonic();
      if (left <= 0) return;
      if (left > PATIENCE_MS) throw new HeldBack(left);
      await this.#clock.sleep(Math.ceil(left), signal === undefined ? {} : { signal });
    }
  }

  #refused({ retryAfterMs }: Refusal): void {
    const now = this.#clock.monotonic();
    this.#notBefore = Math.max(this.#notBefore, now + retryAfterMs);
    this.#refusedAt = now;
    if (now - this.#changedAt >= DOWN_MS || !this.#isThrottled) {
      this.#changedAt = now;
      this.#setLimit(Math.max(1, Math.floor(Math.min(this.#limit, this.#inFlight) / 2)));
    }
    if (this.#isThrottled) return;
    this.#isThrottled = true;
    this.#listener?.throttled(this.#limit);
  }

  #succeeded(): void {
    if (!this.#isThrottled) return;
    const now = this.#clock.monotonic();
    const quiet = now - this.#refusedAt;
    if (quiet >= RECOVERED_MS) this.#setLimit(this.#max);
    else if (this.#limit < this.#max && now - this.#changedAt >= UP_MS) {
      this.#changedAt = now;
      this.#setLimit(this.#limit + 1);
    }
    if (this.#limit < this.#max || quiet < QUIET_MS) return;
    this.#isThrottled = false;
    this.#listener?.recovered();
  }

  #setLimit(limit: number): void {
    this.#limit = limit;
    this.#semaphore.resize(limit);
  }
}

/** A request that was not made, because the destination has asked for none for a while. */
class HeldBack extends LitestreamError {
  constructor(leftMs: number) {
    super('STORAGE_THROTTLED', `the destination has asked for no requests for another ${Math.ceil(leftMs / 1000)} s`, {
      details: { retryAfterMs: Math.ceil(leftMs) },
    });
  }
}
