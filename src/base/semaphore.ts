/** A counted lock that serves waiters in the order of their coming and lets them give up. */

interface Waiter {
  readonly grant: () => void;
}

export class Semaphore {
  /** Absent while nobody waits, because there may be thousands of semaphores. */
  #waiters: Set<Waiter> | undefined;
  #permits: number;
  /** Negative after a `resize` below what is held. */
  #free: number;

  /** @param permits how many may hold it at once, ≥ 1 */
  constructor(permits: number) {
    this.#permits = permits;
    this.#free = permits;
  }

  /** From now on so many may hold it, ≥ 1; whoever holds it already keeps it. */
  resize(permits: number): void {
    this.#free += permits - this.#permits;
    this.#permits = permits;
    while (this.#free > 0 && this.#grantFirst()) this.#free -= 1;
  }

  /** Waits for a permit and returns the function that gives it back, which is safe to call twice. Rejects with `signal.reason` when aborted before. */
  async acquire(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    let held = true;
    return () => {
      if (held) this.#release();
      held = false;
    };
  }

  /** Runs `work` with a permit. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#leave(waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      this.#waiters ??= new Set();
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #release(): void {
    // The permit goes straight to the first waiter, so that nobody who comes later can overtake it.
    if (this.#free < 0 || !this.#grantFirst()) this.#free += 1;
  }

  /** Lets the first waiter in; false when there is none. */
  #grantFirst(): boolean {
    const [first] = this.#waiters ?? [];
    if (first === undefined) return false;
    this.#leave(first);
    first.grant();
    return true;
  }

  #leave(waiter: Waiter): void {
    this.#waiters?.delete(waiter);
    if (this.#waiters?.size === 0) this.#waiters = undefined;
  }
}
