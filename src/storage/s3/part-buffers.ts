/** Ceilings over the memory that uploads of one thread hold, whatever their number. */

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

/** What uploads may hold in memory, counted apart: a small object must not wait until a snapshot of hours has gone. */
export interface UploadBudgets {
  /** Bodies that go in one request. */
  readonly whole: ByteBudget;
  readonly parts: ByteBudget;
}

const MIB = 1024 * 1024;

/** The budgets of one thread: 32 MiB for whole bodies, 64 MiB for parts. */
export const uploadBudgets = (): UploadBudgets => ({ whole: new ByteBudget(32 * MIB), parts: new ByteBudget(64 * MIB) });

export class ByteBudget {
  readonly #limit: number;
  readonly #waiters = new Set<Waiter>();
  #used = 0;

  /** @param limit bytes, > 0 */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Somebody waits. */
  get contended(): boolean {
    return this.#waiters.size > 0;
  }

  /** Waits its turn for `bytes` and returns what gives them back, safe to call twice. More than the limit is granted alone. */
  async take(bytes: number, signal: AbortSignal | undefined): Promise<() => void> {
    signal?.throwIfAborted();
    return this.tryTake(bytes) ?? this.#wait(bytes, signal);
  }

  /** The same without waiting; undefined when there is no room, or others came first. */
  tryTake(bytes: number): (() => void) | undefined {
    if (this.#waiters.size > 0 || !this.#fits(bytes)) return undefined;
    return this.#grant(bytes);
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#limit;
  }

  #grant(bytes: number): () => void {
    this.#used += bytes;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#used -= bytes;
      this.#serve();
    };
  }

  #wait(bytes: number, signal: AbortSignal | undefined): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
        this.#serve();
      };
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve(this.#grant(bytes));
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      if (!this.#fits(waiter.bytes)) return;
      this.#waiters.delete(waiter);
      waiter.grant();
    }
  }
}
