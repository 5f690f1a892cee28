/** The buffers of one upload, used again and again. */

import { orAbort } from '../../base/abortable.ts';
import type { ByteBudget } from './part-buffers.ts';

/**
 * The first buffer is waited for in the common budget; more are taken only as long as there is room, and are left to others who wait, so that
 * two uploads never wait for each other.
 */
export class PartPool {
  readonly #budget: ByteBudget;
  readonly #partSize: number;
  readonly #most: number;
  readonly #free: Buffer[] = [];
  readonly #releases: (() => void)[] = [];
  #wake: (() => void) | undefined;

  constructor(budget: ByteBudget, partSize: number, most: number) {
    this.#budget = budget;
    this.#partSize = partSize;
    this.#most = most;
  }

  /** A buffer of one part, when one has been given back or there is room for another. For one taker at a time. */
  async take(signal: AbortSignal): Promise<Buffer> {
    for (;;) {
      signal.throwIfAborted();
      const free = this.#free.pop();
      if (free !== undefined) return free;
      if (this.#releases.length === 0) return this.#add(await this.#budget.take(this.#partSize, signal));
      const release = this.#releases.length < this.#most ? this.#budget.tryTake(this.#partSize) : undefined;
      if (release !== undefined) return this.#add(release);
      // Nothing is awaited between the look and this: what is given back in between would wake nobody.
      await orAbort(this.#given(), signal);
    }
  }

  giveBack(buffer: Buffer): void {
    if (this.#budget.contended && this.#releases.length > 1) this.#releases.pop()?.();
    else this.#free.push(buffer);
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Leaves the buffers to others; to be called when none is in use. */
  release(): void {
    for (const release of this.#releases) release();
    this.#releases.length = 0;
    this.#free.length = 0;
  }

  #given(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #add(release: () => void): Buffer {
    this.#releases.push(release);
    return Buffer.allocUnsafeSlow(this.#partSize);
  }
}
