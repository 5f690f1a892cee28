/** The calls now running, so that a closing door can wait for them and stop them. */

import { LitestreamError } from '../base/errors.ts';

/** No call lasts longer; long work has become a job by then. */
const DEADLINE_MS = 300_000;

export class CallsInFlight {
  readonly #controllers = new Set<AbortController>();
  #onIdle: (() => void) | undefined;

  get count(): number {
    return this.#controllers.size;
  }

  /** A signal that ends with `client`, at the deadline, or when the door closes; `done` must be called. */
  begin(client: AbortSignal): { readonly signal: AbortSignal; readonly done: () => void } {
    const controller = new AbortController();
    const cancel = () => controller.abort(new LitestreamError('CANCELLED', 'The client cancelled the call.'));
    const deadline = setTimeout(() => controller.abort(new LitestreamError('TIMEOUT', 'The call took too long.')), DEADLINE_MS);
    this.#controllers.add(controller);
    client.addEventListener('abort', cancel, { once: true });
    if (client.aborted) cancel();
    return {
      signal: controller.signal,
      done: () => {
        clearTimeout(deadline);
        client.removeEventListener('abort', cancel);
        this.#controllers.delete(controller);
        if (this.#controllers.size === 0) this.#onIdle?.();
      },
    };
  }

  /** Waits until no call runs, at most `graceMs`; then aborts the rest with `reason`. */
  async drain(graceMs: number, reason: LitestreamError): Promise<void> {
    if (this.#controllers.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const controller of this.#controllers) controller.abort(reason);
  }
}
