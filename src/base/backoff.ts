/** The schedule of repeated attempts: doubling delays up to a cap. */

export interface BackoffSettings {
  /** First delay, ms. */
  readonly initialMs: number;
  /** Largest delay, ms. */
  readonly capMs: number;
  /** Part of each delay that is random, 0 (none, the default) to 1. */
  readonly jitter?: number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

export class Backoff {
  readonly #settings: BackoffSettings;
  #attempts = 0;

  constructor(settings: BackoffSettings) {
    this.#settings = settings;
  }

  /** Failures since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Counts a failure and returns how long to wait before the next attempt, ms. */
  next(): number {
    const { initialMs, capMs, jitter = 0, random = Math.random } = this.#settings;
    const delay = Math.min(capMs, initialMs * 2 ** Math.min(this.#attempts, 52));
    this.#attempts += 1;
    return delay * (1 - jitter * random());
  }

  reset(): void {
    this.#attempts = 0;
  }
}
