/** Requests to stop, one after another: whoever handles the next one is exchanged as the program goes on. */

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

const SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
}

export class StopSignals {
  readonly #source: SignalSource;
  readonly #listeners = new Map<StopSignal, () => void>();
  #handler: (signal: StopSignal) => void = () => {};

  constructor(source: SignalSource = process) {
    this.#source = source;
    for (const signal of SIGNALS) {
      const listener = () => this.#handler(signal);
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

  close(): void {
    for (const [signal, listener] of this.#listeners) this.#source.off(signal, listener);
    this.#listeners.clear();
  }
}
