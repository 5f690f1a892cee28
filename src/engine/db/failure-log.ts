/** Tells about repeated failures without flooding the log (docs/engine.md, Back-off and disk full). */

import type { Clock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';

/** Least distance between two lines about the same trouble, ms. */
const LOG_INTERVAL_MS = 30_000;

export class FailureLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  #failures = 0;
  #lastLine = Number.NEGATIVE_INFINITY;
  #lastCode = '';

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  failed(error: unknown, nextTryMs: number): void {
    this.#failures++;
    const code = error instanceof LitestreamError ? error.code : 'INTERNAL';
    const now = this.#clock.monotonic();
    if (code === this.#lastCode && now - this.#lastLine < LOG_INTERVAL_MS) return;
    this.#lastLine = now;
    this.#lastCode = code;
    const message = error instanceof Error ? error.message : String(error);
    const hint = error instanceof LitestreamError && error.hint !== undefined ? { hint: error.hint } : {};
    this.#log.log('error', 'replication of the database fails', { code, error: message, failures: this.#failures, nextTryMs, ...hint });
  }

  succeeded(): void {
    if (this.#failures > 0) this.#log.log('info', 'replication of the database goes on again', { failures: this.#failures });
    this.#failures = 0;
    this.#lastCode = '';
  }
}
