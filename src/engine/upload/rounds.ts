/** The rounds of one uploader, for whoever waits for them. */

import { orAbort } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';

export class Rounds {
  readonly #clock: Clock;
  #count = 0;
  #end: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many have ended. */
  get count(): number {
    return this.#count;
  }

  ended(): void {
    this.#count += 1;
    this.#end.resolve();
    this.#end = Promise.withResolvers();
  }

  /** There will be no further one: nobody waits any more. */
  close(): void {
    this.#end.resolve();
  }

  /** Resolves when a round ends, to false when `limitMs` passes first; rejects with `signal.reason`. */
  async next(limitMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const ended = this.#end.promise.then(() => true);
    if (limitMs === Number.POSITIVE_INFINITY) return orAbort(ended, signal);
    const timer = new AbortController();
    const expired = this.#clock.sleep(Math.max(0, limitMs), { signal: timer.signal }).then(
      () => false,
      () => false,
    );
    try {
      return await orAbort(Promise.race([ended, expired]), signal);
    } finally {
      timer.abort();
    }
  }
}
