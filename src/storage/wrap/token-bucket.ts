/** A rate that several streams share: who takes bytes waits its turn until the rate allows them. */

import type { Clock } from '../../base/clock.ts';
import { Semaphore } from '../../base/semaphore.ts';

/** What may pass at once after a pause, ms of the rate. */
const BURST_MS = 250;

/** Bounds of one portion, bytes. */
const SMALLEST = 4 * 1024;
const LARGEST = 256 * 1024;

/** Counts lazily: without traffic there is no timer. */
export class TokenBucket {
  /** Bytes taken at once, so that no stream keeps the others waiting long. */
  readonly portion: number;
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #burst: number;
  readonly #turn = new Semaphore(1);
  #tokens: number;
  #at: number;

  /** @param bytesPerSecond > 0 */
  constructor(bytesPerSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#perMs = bytesPerSecond / 1000;
    this.#burst = this.#perMs * BURST_MS;
    this.portion = Math.round(Math.min(LARGEST, Math.max(SMALLEST, bytesPerSecond / 16)));
    this.#tokens = this.#burst;
    this.#at = clock.monotonic();
  }

  /** Resolves when `bytes` may pass, in the order of the calls; rejects with `signal.reason`. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const release = await this.#turn.acquire(signal);
    try {
      this.#refill();
      // A portion may go into debt, which those who come next wait for.
      if (this.#tokens <= 0) await this.#clock.sleep(Math.ceil(-this.#tokens / this.#perMs) + 1, signal === undefined ? {} : { signal });
      this.#refill();
      this.#tokens -= bytes;
    } finally {
      release();
    }
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
  }
}
