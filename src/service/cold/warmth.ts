/** How long a database stays open without a change: the longer, the more its closing has proven to be in vain. */

/** It slept for less than so many times what it had to be idle before: it is woken often. */
const SHORT_NAP = 4;
/** It slept for more than so many times that: it may be closed sooner again. */
const LONG_NAP = 16;
/** A full file costs as much as so many doublings. */
const FULL_FILE_STEPS = 2;
/** Longest, ms, unless the setting asks for more. */
const MOST = 6 * 3_600_000;

export class Warmth {
  readonly #baseMs: number;
  #doublings = 0;

  /** @param baseMs the setting, ms. */
  constructor(baseMs: number) {
    this.#baseMs = baseMs;
  }

  /** ms without a change. */
  get patienceMs(): number {
    return Math.max(this.#baseMs, Math.min(MOST, this.#baseMs * 2 ** this.#doublings));
  }

  /** It was woken after `napMs`. */
  woke(napMs: number): void {
    if (napMs < SHORT_NAP * this.patienceMs) this.#raise(1);
    else if (napMs > LONG_NAP * this.patienceMs) this.#doublings = Math.max(0, this.#doublings - 1);
  }

  /** The last wake cost a full file. */
  wasCostly(): void {
    this.#raise(FULL_FILE_STEPS);
  }

  #raise(steps: number): void {
    if (this.#baseMs * 2 ** this.#doublings < MOST) this.#doublings += steps;
  }
}
