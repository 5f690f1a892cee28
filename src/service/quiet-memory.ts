/** Notices that a process has become quiet with more memory than it needs, and has that given back to the system. */

import type { Clock } from '../base/clock.ts';

export interface Memory {
  /** Bytes of the process that are resident: what the collector keeps for itself is on no heap. */
  resident(): number;
  /** Processor time of the process since its start, all threads together, ms. */
  processorMs(): number;
  /** Collects and gives back. Stops the thread for as long as that takes. */
  release(): void;
}

/** Between two looks, ms. */
const INTERVAL = 15_000;
/** With less than this share of a processor since the last look nothing is going on that a pause would disturb for long. */
const QUIET = 0.15;
/** What may have come since the last release is this share of what was left then, and bytes: a collection costs time for every byte that stays. */
const SHARE = 0.05;
const BYTES = 8 * 2 ** 20;
/** Least distance between two releases, ms: who asks for metrics every few seconds makes garbage without an end. */
const DISTANCE = 60_000;

/**
 * V8 collects when something is needed, so what a wave of work has left stays for as long as the process is quiet: a thousand databases opened
 * or merged one after the other leave more than they need themselves (decision 78).
 */
export class QuietMemory {
  readonly #clock: Clock;
  readonly #memory: Memory;
  readonly #stopping = new AbortController();
  #left = 0;
  #releasedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, memory: Memory) {
    this.#clock = clock;
    this.#memory = memory;
  }

  start(): void {
    this.#run().catch(() => {}); // stopped
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #run(): Promise<void> {
    for (;;) {
      const before = this.#memory.processorMs();
      await this.#clock.sleep(INTERVAL, { signal: this.#stopping.signal, unref: true });
      if (this.#memory.processorMs() - before < INTERVAL * QUIET) this.#look();
    }
  }

  #look(): void {
    const now = this.#clock.monotonic();
    const resident = this.#memory.resident();
    if (resident < this.#left * (1 + SHARE) + BYTES) {
      this.#left = Math.min(this.#left, resident);
      return;
    }
    if (now - this.#releasedAt < DISTANCE) return;
    this.#releasedAt = now;
    this.#memory.release();
    this.#left = this.#memory.resident();
  }
}
