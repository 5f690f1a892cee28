/** Notices that many databases have been closed and nothing has followed for a while: what their opening took can be given back. */

import type { Clock } from '../../base/clock.ts';

/** Fewer are not worth the pause of a collection. */
const MANY = 64;
/** Without another closing, ms. */
const QUIET = 3000;
/** Each replica is listed for the first time, and status and metrics are asked, in the minutes after a start: once more after that, ms. */
const AFTERMATH = 120_000;

export class Quiet {
  readonly #clock: Clock;
  readonly #then: () => void;
  #closed = 0;
  #last = 0;
  #waiting = false;

  /** @param then called after each such wave, and once more two minutes later. */
  constructor(clock: Clock, then: () => void) {
    this.#clock = clock;
    this.#then = then;
  }

  /** A database was closed. */
  closed(): void {
    this.#closed++;
    this.#last = this.#clock.monotonic();
    if (this.#waiting || this.#closed < MANY) return;
    this.#waiting = true;
    void this.#wait();
  }

  async #wait(): Promise<void> {
    for (let left = QUIET; left > 0; left = this.#last + QUIET - this.#clock.monotonic()) await this.#clock.sleep(left, { unref: true });
    this.#waiting = false;
    this.#closed = 0;
    this.#then();
    await this.#clock.sleep(AFTERMATH, { unref: true });
    if (!this.#waiting) this.#then();
  }
}
