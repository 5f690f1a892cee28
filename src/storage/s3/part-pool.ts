/** The buffers of one upload, used again and again. */

import { orAbort } from '../../base/abortable.ts';
import type { ByteBudget } from './part-buffers.ts';

/**
 * The first buffer is waited for in the common budget; more are taken only as long as there is room, so that two uploads never wait for
 * each other.
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

  /** A buffer of one part, when one has been given back or there is room for another. */
  async take(signal: AbortSignal): Promise<Buffer> {
    for (;;) {
      signal.throwIfAborted();
      const buffer = this.#free.pop() ?? (await this.#make(signal));
      if (buffer !== undefined) return buffer;
      const given = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await orAbort(given, signal);
    }
  }

  giveBack(buffer: Buffer): void {
    this.#free.push(buffer);
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Leaves the buffers to others; to be called when none is in use. */
  release(): void {
    for (const release of this.#releases) release();
    this.#releases.length = 0;
    this.#free.length = 0;
  }

  async #make(signal: AbortSignal): Promise<Buffer | undefined> {
    if (this.#releases.length >= this.#most) return undefined;
    const release = this.#releases.length === 0 ? await this.#budget.take(this.#partSize, signal) : this.#budget.tryTake(this.#partSize);
    if (release === undefined) return undefined;
    this.#releases.push(release);
    return Buffer.allocUnsafeSlow(this.#partSize);
  }
}
