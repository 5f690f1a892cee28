/** Removes local files that every replica has and that have been kept for their time (decision 37); by what was confirmed here, never by a listing. */

import type { Clock } from '../../base/clock.ts';
import { errorToData } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { removeMovedLogs } from '../../engine/db/local-reset.ts';
import { ProblemLog } from '../../engine/upload/failures.ts';
import { LOCAL_RETENTION_MS, type LocalLog } from '../../engine/upload/local-log.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import type { ScheduledTask, Scheduler } from '../schedule/scheduler.ts';

export interface LocalRetentionOptions {
  readonly name: string;
  readonly metaPath: string;
  readonly local: LocalLog;
  /** What each replica has confirmed; undefined for one that has not said yet. */
  readonly positions: () => readonly (TXID | undefined)[];
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Files are looked through at most this often, ms. */
const INTERVAL = 60_000;

export class LocalRetention {
  readonly #options: LocalRetentionOptions;
  readonly #problems: ProblemLog;
  #task: ScheduledTask | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** When something was confirmed that no look since has found old enough, monotonic ms. */
  #confirmedAt: number | undefined;

  constructor(options: LocalRetentionOptions) {
    this.#options = options;
    this.#problems = new ProblemLog(options.clock, options.log, {
      level: 'warn',
      failing: 'removing old local files failed',
      over: 'old local files can be removed again',
    });
  }

  /** The last files of a burst come of age when nothing happens any more. */
  start(): void {
    const { scheduler, name, clock } = this.#options;
    // An earlier process may have left some.
    this.#confirmedAt = clock.monotonic();
    this.#task = scheduler.every({
      name: `local files of ${name}`,
      intervalMs: LOCAL_RETENTION_MS,
      budget: 'listing',
      run: async () => {
        if (this.#confirmedAt !== undefined) await this.#look();
      },
    });
  }

  async stop(): Promise<void> {
    await this.#task?.stop();
  }

  /** A replica has confirmed another file. */
  confirmed(): void {
    const now = this.#options.clock.monotonic();
    this.#confirmedAt = now;
    if (now - this.#lookedAt >= INTERVAL) void this.#look();
  }

  async #look(): Promise<void> {
    const { clock, local, metaPath, positions } = this.#options;
    const known = positions().filter((position) => position !== undefined);
    const [first, ...others] = known;
    if (first === undefined || known.length < positions().length) return;
    this.#lookedAt = clock.monotonic();
    if (this.#confirmedAt !== undefined && this.#lookedAt - this.#confirmedAt > LOCAL_RETENTION_MS) this.#confirmedAt = undefined;
    const confirmed = others.reduce<TXID>((least, position) => (position < least ? position : least), first);
    try {
      removeMovedLogs(metaPath, confirmed);
      await local.prune(confirmed, clock.now());
      this.#problems.succeeded();
    } catch (thrown) {
      const error = errorToData(thrown);
      this.#problems.failed(error.code, { error });
    }
  }
}
