/** Puts a snapshot to a replica whose newest file has another page size than those before it (docs/engine.md, Positions and repair). */

import { Backoff } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { errorToData } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { ProblemLog } from '../engine/upload/failures.ts';
import { formatTXID, type TXID } from '../formats/ltx/txid.ts';

const RETRY = { initialMs: 1000, capMs: 300_000, jitter: 0.1 };

export interface NewBaseOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the replica is being closed. */
  readonly signal: AbortSignal;
  readonly snapshot: () => Promise<{ readonly maxTXID: TXID }>;
}

export class NewBase {
  readonly #options: NewBaseOptions;
  readonly #problems: ProblemLog;
  #running: Promise<void> | undefined;

  constructor(options: NewBaseOptions) {
    this.#options = options;
    this.#problems = new ProblemLog(options.clock, options.log, {
      level: 'error',
      failing: 'the snapshot after a change of page size failed; trying again',
    });
  }

  /** From `txid` on the page size is another one. */
  need(txid: TXID): void {
    this.#running ??= this.#run(txid).finally(() => {
      this.#running = undefined;
    });
  }

  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(txid: TXID): Promise<void> {
    const { clock, log, signal, snapshot } = this.#options;
    const backoff = new Backoff(RETRY);
    while (!signal.aborted) {
      try {
        const { maxTXID } = await snapshot();
        log.log('warn', 'the page size of the database has changed; a snapshot was put to the replica', {
          changed_at: formatTXID(txid),
          snapshot: formatTXID(maxTXID),
        });
        return;
      } catch (thrown) {
        if (signal.aborted) return;
        const error = errorToData(thrown);
        this.#problems.failed(error.code, { error });
        await clock.sleep(backoff.next(), { signal, unref: true }).catch(() => {});
      }
    }
  }
}
