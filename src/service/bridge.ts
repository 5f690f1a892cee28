/** Carries one replica over a hole in the local log with snapshots, later with each one that did not help (docs/engine.md, Positions and repair). */

import { Backoff } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { errorToData } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { ProblemLog } from '../engine/upload/failures.ts';

const RETRY = { initialMs: 1000, capMs: 300_000, jitter: 0.1 };

export interface BridgeOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the replica is being closed. */
  readonly signal: AbortSignal;
  /** Puts a level-9 file of the present there; `size` in bytes. */
  readonly snapshot: () => Promise<{ readonly size: number }>;
  /** An attempt has ended: look again, and ask for another one if it did not help. */
  readonly onEnd: () => void;
}

export class Bridge {
  readonly #options: BridgeOptions;
  readonly #failures: ProblemLog;
  readonly #gaps: ProblemLog;
  readonly #backoff = new Backoff(RETRY);
  /** Before the next snapshot, ms. */
  #pauseMs = 0;
  #running: Promise<void> | undefined;

  constructor(options: BridgeOptions) {
    const { clock, log } = options;
    this.#options = options;
    this.#failures = new ProblemLog(clock, log, { level: 'error', failing: 'bridging a gap with a snapshot failed' });
    this.#gaps = new ProblemLog(clock, log, {
      level: 'warn',
      failing: 'local files the replica needed were gone; a snapshot took their place',
    });
  }

  /** The local log has lost what the replica needs next. */
  need(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      this.#options.onEnd();
    });
  }

  /** Something was uploaded: the next hole is a new one. */
  crossed(): void {
    this.#backoff.reset();
    this.#pauseMs = 0;
    this.#failures.succeeded();
  }

  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, signal, snapshot } = this.#options;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = this.#backoff.next();
    try {
      if (pauseMs > 0) await clock.sleep(pauseMs, { signal, unref: true });
      const { size } = await snapshot();
      this.#gaps.failed('gap', { size });
    } catch (thrown) {
      if (signal.aborted) return;
      const error = errorToData(thrown);
      this.#failures.failed(error.code, { error, retry_in_ms: Math.round(this.#pauseMs) });
    }
  }
}
