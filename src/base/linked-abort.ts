/** An abort controller of our own below the caller's signal, which leaves nothing on a signal that lives long. */

export class LinkedAbort {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  readonly #onParent: () => void;

  constructor(parent: AbortSignal | undefined) {
    this.#parent = parent;
    this.#onParent = () => this.#controller.abort(parent?.reason);
    if (parent?.aborted === true) this.#onParent();
    else parent?.addEventListener('abort', this.#onParent, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends what hangs on the signal, and lets go of the caller's. Safe to call twice. */
  abort(reason: unknown): void {
    this.release();
    this.#controller.abort(reason);
  }

  /** Lets go of the caller's signal; ours stays as it is. */
  release(): void {
    this.#parent?.removeEventListener('abort', this.#onParent);
  }
}
