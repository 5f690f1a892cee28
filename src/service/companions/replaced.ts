/** Removes databases that forced restores replaced long ago, once a replica holds something newer (docs/engine.md, Undo). */

import { errorToData } from '../../base/errors.ts';
import { listCatalogue } from '../../engine/restore/catalogue.ts';
import { nodeDisk } from '../../engine/restore/disk.ts';
import { restorablePoints } from '../../engine/restore/points.ts';
import { listReplaced, type ReplacedFile, removeReplaced } from '../../engine/restore/replaced.ts';
import { limited } from '../limited.ts';
import type { CompanionContext, MakeCompanion } from './companion.ts';
import { Looking, ScheduledCompanion } from './scheduled.ts';

/** How long a replaced database can be brought back at least, ms. */
export const REPLACED_RETENTION_MS = 7 * 86_400_000;
const INTERVAL_MS = 86_400_000;
/** How long a listing may take, ms. */
const LISTING_LIMIT = 60_000;

export const expireReplaced: MakeCompanion = (context) => new ScheduledCompanion(context.scheduler, new ReplacedExpiry(context));

/** Each replica may do it: whichever holds a newer state proves that nothing hangs on the old file. Without old files nothing is asked. */
class ReplacedExpiry extends Looking {
  readonly #context: CompanionContext;

  constructor(context: CompanionContext) {
    super();
    this.#context = context;
  }

  get name(): string {
    const { database, replica } = this.#context;
    return `expiry of what restores of ${database.settings.name} replaced, by ${replica.settings.name}`;
  }

  get intervalMs(): number {
    return INTERVAL_MS;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    try {
      const old = this.#expired();
      if (old.length === 0) return;
      const newest = await this.#newestState(signal);
      for (const file of old) if (newest !== undefined && newest > file.replacedAt) this.#remove(file, newest);
    } catch (error) {
      signal.throwIfAborted();
      log.log('warn', 'what restores replaced could not be looked through', { at: clock.now(), error: errorToData(error) });
    }
  }

  #expired(): ReplacedFile[] {
    const { clock, database } = this.#context;
    const before = clock.now() - REPLACED_RETENTION_MS;
    return listReplaced(database.settings.path).filter(({ replacedAt }) => replacedAt < before);
  }

  /** Time of the newest state that the replica can restore, ms since the epoch. */
  async #newestState(signal: AbortSignal): Promise<number | undefined> {
    const { clock, replica } = this.#context;
    const what = `listing ${replica.settings.name}`;
    const files = await limited({ clock, ms: LISTING_LIMIT, what, signal }, (call) => listCatalogue(replica.replica, { signal: call }));
    return restorablePoints(files).at(-1)?.time;
  }

  #remove(file: ReplacedFile, newest: number): void {
    removeReplaced(nodeDisk, file);
    this.#context.log.log('info', 'removed a database that a restore replaced: it is old, and the replica holds a newer state', {
      path: file.path,
      replaced_at: new Date(file.replacedAt).toISOString(),
      size_bytes: file.sizeBytes,
      newest_state: new Date(newest).toISOString(),
    });
  }
}
