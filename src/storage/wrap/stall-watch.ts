/** A deadline that can be moved and suspended, with one timer at a time, and the signal that fires with it or with the caller's. */

import type { Clock } from '../../base/clock.ts';
import { LinkedAbort } from '../../base/linked-abort.ts';

/** Longest sleep between two looks at the deadline, ms. */
const LOOK_MS = 30_000;

export class StallWatch {
  readonly #clock: Clock;
  readonly #makeError: (limitMs: number) => Error;
  readonly #link: LinkedAbort;
  readonly #timer = new AbortController();
  #limit = 0;
  #deadline = Number.POSITIVE_INFINITY;
  #isRunning = false;

  /** @param makeError the reason when the deadline passes, from the limit in ms that was exceeded. */
  constructor(clock: Clock, parent: AbortSignal | undefined, makeError: (limitMs: number) => Error) {
    this.#clock = clock;
    this.#link = new LinkedAbort(parent);
    this.#makeError = makeError;
  }

  /** Fires with the caller's reason, or with the error of a stall. */
  get signal(): AbortSignal {
    return this.#link.signal;
  }

  /** The other side has to do something within `ms`. */
  expect(ms: number): void {
    this.#limit = ms;
    this.#deadline = this.#clock.monotonic() + ms;
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#look();
  }

  /** Nothing is expected of the other side. */
  rest(): void {
    this.#deadline = Number.POSITIVE_INFINITY;
  }

  /** Nothing is watched any more; the signal stays as it is. */
  end(): void {
    this.#timer.abort();
    this.#link.release();
  }

  async #look(): Promise<void> {
    const options = { signal: this.#timer.signal, unref: true };
    try {
      for (;;) {
        const left = this.#deadline - this.#clock.monotonic();
        if (left <= 0) break;
        await this.#clock.sleep(Math.min(left, LOOK_MS), options);
      }
      this.#link.abort(this.#makeError(this.#limit));
    } catch {
      // Ended: only `end` stops the sleep.
    }
  }
}
