/** The running set of databases: opens replicas and engines, starts and stops them together. */

import type { Clock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { RunJob } from '../engine/jobs.ts';
import type { DatabaseSettings, ReplicaSettings } from '../engine/options.ts';
import type { Replica } from '../replica/replica.ts';
import type { CompanionCount, MakeCompanion } from './companion.ts';
import type { OpenEngine } from './engine-keeper.ts';
import { ManagedDatabase, type Unreplicated } from './managed-database.ts';
import { ManagedReplica } from './managed-replica.ts';
import { Observer } from './observer.ts';
import type { DatabaseEntry } from './options.ts';
import type { Scheduler } from './scheduler.ts';
import type { DatabaseStatus, ReplicationService } from './service.ts';
import type { StopLimits } from './stop-limits.ts';

export interface ReplicationOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly lagBudgetMs: number;
  readonly openEngine: OpenEngine;
  readonly openReplica: (settings: ReplicaSettings, database: DatabaseSettings) => Promise<Replica>;
  readonly restoreMissing: (entry: DatabaseEntry, signal: AbortSignal) => Promise<boolean>;
  readonly onEngineEvent: (path: string, event: EngineEvent) => void;
  readonly onUploadFailed: (path: string, replica: string, code: string) => void;
  readonly scheduler: Scheduler;
  readonly runJob: RunJob;
  readonly companions: readonly MakeCompanion[];
  readonly onCount: (path: string, replica: string, what: CompanionCount, amount: number) => void;
}

export class Replication implements ReplicationService {
  readonly startedAt: number;
  readonly databases: readonly ManagedDatabase[];
  readonly #clock: Clock;
  readonly #observer: Observer;

  private constructor(databases: readonly ManagedDatabase[], clock: Clock, log: Logger) {
    this.databases = databases;
    this.#clock = clock;
    this.#observer = new Observer(databases, clock, log);
    this.startedAt = clock.now();
  }

  /** Makes everything; nothing is contacted or opened before `start`. */
  static async create(entries: readonly DatabaseEntry[], options: ReplicationOptions): Promise<Replication> {
    const databases = await Promise.all(entries.map((entry) => makeDatabase(entry, options)));
    return new Replication(databases, options.clock, options.log);
  }

  start(): void {
    for (const database of this.databases) database.start();
    this.#observer.start();
  }

  /**
   * Resolves when every database is replicating or waiting for its file. Rejects with the first refusal (not a database, owned by another
   * process …) when no database can be replicated at all; others are left to `status`. Gives up looking after `patienceMs`: an engine in the
   * middle of a long first copy is on its way.
   */
  async settle(patienceMs: number, signal: AbortSignal): Promise<void> {
    const deadline = this.#clock.monotonic() + patienceMs;
    for (;;) {
      const states = await Promise.all(this.databases.map((database) => database.status()));
      const refused = states.filter(
        ({ state, engine }) => state === 'failing' && engine.error !== undefined && isRefusal(engine.error.code),
      );
      const [first] = refused;
      if (first?.engine.error !== undefined && refused.length === states.length) {
        const { code, message, ...rest } = first.engine.error;
        throw new LitestreamError(code, message, { ...rest });
      }
      if (!states.some(isOpening) || this.#clock.monotonic() > deadline) return;
      await this.#clock.sleep(20, { signal });
    }
  }

  /** Stops all at once, each with the same deadline; the limits' signal skips what is still waiting. */
  async stop(limits: StopLimits): Promise<Unreplicated[]> {
    this.#observer.stop();
    const left = await Promise.all(this.databases.map((database) => database.stop(limits)));
    return left.flat();
  }
}

async function makeDatabase(entry: DatabaseEntry, options: ReplicationOptions): Promise<ManagedDatabase> {
  const { clock, log, lagBudgetMs } = options;
  const replicas = await Promise.all(
    entry.replicas.map(async (settings) => {
      const replica = await options.openReplica(settings, entry.settings);
      const onUploadFailed = (code: string): void => options.onUploadFailed(entry.settings.path, settings.name, code);
      return new ManagedReplica({ database: entry.settings, settings, replica, clock, log, lagBudgetMs, onUploadFailed });
    }),
  );
  const { openEngine, restoreMissing, onEngineEvent, scheduler, runJob, companions } = options;
  return new ManagedDatabase(entry, replicas, {
    clock,
    log,
    lagBudgetMs,
    openEngine,
    restoreMissing,
    onEngineEvent,
    scheduler,
    runJob,
    companions,
    onCount: (replica, what, amount) => options.onCount(entry.settings.path, replica, what, amount),
  });
}

const REFUSALS: ReadonlySet<string> = new Set([
  'DB_OWNED',
  'DB_INVALID',
  'DB_NOT_WAL',
  'DB_CORRUPT',
  'SQLITE_INVALID',
  'SQLITE_TOO_OLD',
  'ACCESS_DENIED',
  'SECOND_WRITER',
]);

/** An engine that has not looked at its database yet may still refuse it, whatever its replicas say. */
const isOpening = ({ state, engine }: DatabaseStatus): boolean =>
  state === 'starting' || (engine.state === 'starting' && engine.dbSize === 0);

const isRefusal = (code: string): boolean => REFUSALS.has(code);
