/** A clock that stands still until a test moves it. */

import type { Clock } from '../../src/base/clock.ts';

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

export class FakeClock implements Clock {
  readonly #sleepers = new Set<Sleeper>();
  readonly #settle: () => Promise<void>;
  #now: number;
  #started: number;

  /**
   * @param start ms since the epoch
   * @param settled what time waits for before it moves on: `settle`, or `settleFiles` where files are read and written meanwhile
   */
  constructor(start = Date.UTC(2026, 0, 1), settled: () => Promise<void> = settle) {
    this.#now = start;
    this.#started = start;
    this.#settle = settled;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#started;
  }

  sleep(ms: number, { signal }: { readonly signal?: AbortSignal; readonly unref?: boolean } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        due: this.#now + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** How long until the next sleeper wakes, ms; undefined when nobody sleeps. */
  get nextDelay(): number | undefined {
    const due = [...this.#sleepers].map((sleeper) => sleeper.due);
    return due.length === 0 ? undefined : Math.min(...due) - this.#now;
  }

  get sleeping(): number {
    return this.#sleepers.size;
  }

  /** Moves time on by `ms`, waking each sleeper at its moment and letting what follows run before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.#settle();
    for (;;) {
      const next = [...this.#sleepers].sort((a, b) => a.due - b.due)[0];
      if (next === undefined || next.due > end) break;
      this.#now = Math.max(this.#now, next.due);
      next.wake();
      await this.#settle();
    }
    this.#now = end;
    await this.#settle();
  }
}

/** Lets everything run that is ready to; real input and output is not waited for (see `until`). */
export async function settle(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** How often files are found at rest before nothing follows any more. */
const RESTS = 3;

/** As settle, and waits for all that was asked of the file system, however slow that is. */
export async function settleFiles(): Promise<void> {
  for (let rests = 0; rests < RESTS; ) {
    await settle();
    const isBusy = process.getActiveResourcesInfo().some((name) => /^FSReq|^FileHandleCloseReq/.test(name));
    rests = isBusy ? 0 : rests + 1;
    if (isBusy) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Waits for real input and output to bring about `condition`; fails after `limitMs` of real time. */
export async function until(condition: () => boolean, what: string, limitMs = 60_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
