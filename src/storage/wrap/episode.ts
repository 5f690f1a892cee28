/** What is told once while it goes on, however often it is noticed. */

import type { Clock } from '../../base/clock.ts';

/** After so long without it the next one is another episode, ms: a request that hangs is noticed after a minute or more. */
const QUIET_MS = 5 * 60_000;

export class Episode {
  readonly #clock: Clock;
  #noticedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes that it happens; true when that is the beginning of an episode. */
  begins(): boolean {
    const now = this.#clock.monotonic();
    const isNew = now - this.#noticedAt >= QUIET_MS;
    this.#noticedAt = now;
    return isNew;
  }
}
