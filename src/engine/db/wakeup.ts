/** A loop's alarm: waits for a time or for somebody to ring, and never misses a ring between two waits. */

import type { Clock } from '../../base/clock.ts';

export class Wakeup {
  #rung = false;
  #waiter: AbortController | undefined;

  ring(): void {
    this.#rung = true;
    this.#waiter?.abort();
  }

  /** Answers a ring without waiting; true when there was one. */
  take(): boolean {
    const rung = this.#rung;
    this.#rung = false;
    return rung;
  }

  /** Waits for at most `ms`; true when rung, which is thereby answered. */
  async wait(clock: Clock, ms: number): Promise<boolean> {
    if (!this.#rung && ms > 0) await this.#sleep(clock, ms);
    return this.take();
  }

  async #sleep(clock: Clock, ms: number): Promise<void> {
    const waiter = new AbortController();
    this.#waiter = waiter;
    try {
      await clock.sleep(ms, { signal: waiter.signal });
    } catch (error) {
      if (!waiter.signal.aborted) throw error;
    } finally {
      this.#waiter = undefined;
    }
  }
}
