/** Since when a destination has answered nobody: what lasts is left to those who wait longer. */

import type { Clock } from '../../base/clock.ts';

/** So long after its first failure, without a success of anybody, repeating calls has not helped, ms. */
const LASTING_MS = 120_000;
/** A failure that is older than this, ms, says nothing about now: nobody has asked since. */
const STALE_MS = 10 * 60_000;

export class Outage {
  readonly #clock: Clock;
  #since: number | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when repeating calls is of no use for now. */
  get isLasting(): boolean {
    return this.#since !== undefined && this.#clock.monotonic() - this.#since >= LASTING_MS;
  }

  /** A call failed in a way that may pass. */
  failed(): void {
    const now = this.#clock.monotonic();
    if (this.#since === undefined || now - this.#failedAt > STALE_MS) this.#since = now;
    this.#failedAt = now;
  }

  /** Somebody was answered: every call has all its attempts again. */
  ended(): void {
    this.#since = undefined;
  }
}
