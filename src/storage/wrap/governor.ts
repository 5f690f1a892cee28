/** How many requests a destination is asked at once: fewer while it throttles, slowly more afterwards. */

import type { Clock } from '../../base/clock.ts';
import { Semaphore } from '../../base/semaphore.ts';

/** Least time between two reductions, ms: the requests in flight at the first refusal are refused together. */
const DOWN_MS = 1_000;
/** Least time between two additions of one, ms. */
const UP_MS = 2_000;
/** Without a refusal for so long everything is as before, ms. */
const RECOVERED_MS = 5 * 60_000;
/** An episode has not ended before this, ms: what is refused once a minute is one episode, not many. */
const QUIET_MS = 60_000;

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

  /** Runs a request when there is a place for it. `isRefusal` tells by its error whether the service asks for less. */
  async run<T>(work: () => Promise<T>, isRefusal: (error: unknown) => boolean, signal?: AbortSignal): Promise<T> {
    const release = await this.#semaphore.acquire(signal);
    this.#inFlight += 1;
    try {
      const result = await work();
      this.#succeeded();
      return result;
    } catch (error) {
      if (isRefusal(error)) this.#refused();
      throw error;
    } finally {
      this.#inFlight -= 1;
      release();
    }
  }

  #refused(): void {
    const now = this.#clock.monotonic();
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
