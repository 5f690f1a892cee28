/** Moves a dated replica on when its date changes, and removes destinations of dates that are past their retention (docs/configuration.md, Dated destinations). */

import { errorToData } from '../../base/errors.ts';
import { listCatalogue } from '../../engine/restore/catalogue.ts';
import { planRestore } from '../../engine/restore/plan.ts';
import { newestTime } from '../../engine/restore/points.ts';
import { LATEST } from '../../engine/restore/target.ts';
import { ProblemLog } from '../../engine/upload/failures.ts';
import { type DatedReplica, destinationAt, listDestinations, removeDestination } from '../../replica/dated.ts';
import type { Replica } from '../../replica/replica.ts';
import { destinationText } from '../../storage/place.ts';
import type { StoreSpec } from '../../storage/spec.ts';
import type { Companion, CompanionContext } from './companion.ts';
import { Looking, ScheduledCompanion } from './scheduled.ts';

/** Opens the destination of another date. */
export type OpenDestination = (store: StoreSpec) => Promise<Replica>;

const DAY = 86_400_000;

/** For the list of companions; nothing for a replica whose destination stays the same. */
export const datedCompanion =
  (open: OpenDestination) =>
  (context: CompanionContext): Companion | undefined => {
    const { store, dated } = context.replica.settings;
    return dated === undefined
      ? undefined
      : new ScheduledCompanion(context.scheduler, new DatedDestination(context, { store, dated }, open));
  };

class DatedDestination extends Looking {
  readonly #context: CompanionContext;
  readonly #dated: DatedReplica;
  readonly #open: OpenDestination;
  readonly #expiries: ProblemLog;

  constructor(context: CompanionContext, dated: DatedReplica, open: OpenDestination) {
    super();
    this.#context = context;
    this.#dated = dated;
    this.#open = open;
    this.#expiries = new ProblemLog(context.clock, context.log, {
      level: 'warn',
      failing: 'old dated destinations could not be removed',
      over: 'old dated destinations can be removed again',
    });
  }

  get name(): string {
    const { database, replica } = this.#context;
    return `dated destination of ${database.settings.name}/${replica.settings.name}`;
  }

  get intervalMs(): number {
    return this.#context.replica.settings.maintenance?.snapshotIntervalMs ?? DAY;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { database, replica, clock, log } = this.#context;
    const next = destinationAt(this.#dated, clock.now());
    if (next.path !== this.#dated.store.path) {
      log.log('info', 'the date has changed: going on at a new destination', {
        from: destinationText(this.#dated.store),
        to: destinationText(next),
      });
      // Not waited for: it ends with stopping this very companion.
      void database.moveReplica(replica, { ...replica.settings, store: next });
      return;
    }
    try {
      await this.#expire(signal);
      this.#expiries.succeeded();
    } catch (thrown) {
      signal.throwIfAborted();
      const error = errorToData(thrown);
      this.#expiries.failed(error.code, { error });
    }
  }

  /** A whole destination goes when its newest state is too old and a newer destination restores. */
  async #expire(signal: AbortSignal): Promise<void> {
    const { replica, clock, log } = this.#context;
    const { maintenance } = replica.settings;
    if (maintenance?.deletes !== true) return;
    const oldest = clock.now() - maintenance.snapshotRetentionMs;
    let isNewerRestorable = false;
    for (const store of await listDestinations(this.#dated, signal)) {
      const isCurrent = store.path === this.#dated.store.path;
      const opened = isCurrent ? replica.replica : await this.#open(store);
      try {
        const files = await listCatalogue(opened, { signal });
        if (!isCurrent && isNewerRestorable && newestTime(files) < oldest) {
          await removeDestination(opened, { ...this.#dated, store }, signal);
          log.log('info', 'removed a dated destination that is past its retention', {
            destination: destinationText(store),
            files: files.length,
          });
        } else isNewerRestorable ||= isRestorable(files);
      } finally {
        if (!isCurrent) await opened.close();
      }
    }
  }
}

function isRestorable(files: Parameters<typeof planRestore>[0]): boolean {
  try {
    planRestore(files, LATEST);
    return true;
  } catch {
    return false; // why does not matter: nothing older is removed because of it
  }
}
