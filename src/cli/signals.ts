/** Requests to stop, one after another: whoever handles the next one is exchanged as the program goes on. */

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

const SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
}

/**
 * One Ctrl-C may arrive twice: from the terminal, which signals the whole group, and again from a parent such as `npm start` that passes
 * signals on. Within this time, ms, the second is the same request.
 */
const ECHO_MS = 500;

export class StopSignals {
  readonly #source: SignalSource;
  readonly #listeners = new Map<StopSignal, () => void>();
  readonly #now: () => number;
  #handler: (signal: StopSignal) => void = () => {};
  #last: { readonly signal: StopSignal; readonly at: number } | undefined;

  /** @param now monotonic ms. */
  constructor(source: SignalSource = process, now: () => number = () => performance.now()) {
    this.#source = source;
    this.#now = now;
    for (const signal of SIGNALS) {
      const listener = () => this.#receive(signal);
      this.#listeners.set(signal, listener);
      source.on(signal, listener);
    }
  }

  /** From now on this is what a signal does. */
  handle(handler: (signal: StopSignal) => void): void {
    this.#handler = handler;
  }

  /** Resolves with the next signal. */
  next(): Promise<StopSignal> {
    return new Promise((resolve) => this.handle(resolve));
  }

  #receive(signal: StopSignal): void {
    const at = this.#now();
    const echo = this.#last?.signal === signal && at - this.#last.at < ECHO_MS;
    if (echo) return;
    this.#last = { signal, at };
    this.#handler(signal);
  }

  close(): void {
    for (const [signal, listener] of this.#listeners) this.#source.off(signal, listener);
    this.#listeners.clear();
  }
}
