/** Lets the event loop of the thread turn during long copies. */

import { setImmediate } from 'node:timers/promises';

/** How long a copy may keep the loop, ms. */
const SLICE_MS = 10;

export class Breather {
  #since = performance.now();

  /** Call between pieces of work of about a millisecond. */
  async pause(): Promise<void> {
    if (performance.now() - this.#since < SLICE_MS) return;
    await setImmediate();
    this.#since = performance.now();
  }
}
