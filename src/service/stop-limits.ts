/** One deadline for everything that stopping a database has to wait for. */

import type { Clock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';

export interface StopLimits {
  /** For the final sync and upload together, ms; 0: one attempt, however long it takes. */
  readonly deadlineMs: number;
  /** Distance between attempts of an upload that fails, ms. */
  readonly retryMs: number;
  /** Skips what is still waited for. */
  readonly signal: AbortSignal;
}

/** What an engine gets to let go of its database after uploads were told to be skipped, ms. */
const SKIP_GRACE = 2000;

export class StopDeadline {
  readonly #limits: StopLimits;
  readonly #clock: Clock;
  readonly #begun: number;
  readonly #over = new AbortController();
  readonly #done = new AbortController();
  readonly #onSkip = (): void => this.#expireIn(SKIP_GRACE, 'it was skipped');

  constructor(limits: StopLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#begun = clock.monotonic();
    if (limits.deadlineMs > 0) this.#expireIn(limits.deadlineMs, `it did not end within ${limits.deadlineMs / 1000} s`);
    if (limits.signal.aborted) this.#onSkip();
    else limits.signal.addEventListener('abort', this.#onSkip, { once: true });
  }

  /** Fires when nothing may be waited for any more. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** The limits for what is still to be done. */
  rest(): StopLimits {
    const { deadlineMs, ...limits } = this.#limits;
    if (deadlineMs === 0) return this.#limits;
    return { ...limits, deadlineMs: Math.max(1, deadlineMs - (this.#clock.monotonic() - this.#begun)) };
  }

  /** Everything has ended. */
  release(): void {
    this.#done.abort();
    this.#limits.signal.removeEventListener('abort', this.#onSkip);
  }

  #expireIn(ms: number, why: string): void {
    this.#clock.sleep(ms, { signal: this.#done.signal, unref: true }).then(
      () => this.#over.abort(new LitestreamError('TIMEOUT', why)),
      () => {},
    );
  }
}
