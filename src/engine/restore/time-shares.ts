/** Where the time of a restore went. */

/** Milliseconds with fractions. */
export interface TimeShares {
  /** Waiting for and receiving file bytes. */
  readonly read: number;
  /** Checking and inflating. */
  readonly decode: number;
  readonly write: number;
  /** Making the result durable. */
  readonly fsync: number;
  /** SQLite's own check of the result. */
  readonly check: number;
}

type Share = keyof TimeShares;

export class Stopwatch {
  readonly #spent: Record<Share, number> = { read: 0, decode: 0, write: 0, fsync: 0, check: 0 };
  readonly #now: () => number;

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Monotonic milliseconds. */
  now(): number {
    return this.#now();
  }

  /** Runs `work` and counts its time as `share`, without what was counted inside it. */
  measure<T>(share: Share, work: () => T): T {
    const counted = this.#total();
    const start = this.#now();
    try {
      return work();
    } finally {
      this.#spent[share] += this.#now() - start - (this.#total() - counted);
    }
  }

  async measureAsync<T>(share: Share, work: () => Promise<T>): Promise<T> {
    const start = this.#now();
    try {
      return await work();
    } finally {
      this.#spent[share] += this.#now() - start;
    }
  }

  shares(): TimeShares {
    return { ...this.#spent };
  }

  #total(): number {
    const { read, decode, write, fsync, check } = this.#spent;
    return read + decode + write + fsync + check;
  }
}
