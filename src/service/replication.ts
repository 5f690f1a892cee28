/** The running set of databases: opens replicas and engines, starts and stops them together. */

import type { Clock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { RunJob } from '../engine/jobs.ts';
import type { DatabaseSettings, ReplicaSettings } from '../engine/options.ts';
import type { Replica } from '../replica/replica.ts';
import type { ColdSupport } from './cold/support.ts';
import type { CompanionCount, MakeCompanion } from './companions/companion.ts';
import { Claims } from './directories/claims.ts';
import type { OpenEngine } from './engine-keeper.ts';
import { ManagedDatabase, type Unreplicated } from './managed-database.ts';
import { ManagedReplica } from './managed-replica.ts';
import { Observer } from './observer.ts';
import type { DatabaseEntry, DisabledDatabase } from './options.ts';
import type { Scheduler } from './schedule/scheduler.ts';
import type { DatabaseStatus, DirectoryStatus, ReplicationService } from './service.ts';
import { startRefusal } from './start-refusal.ts';
import type { StopLimits } from './stop-limits.ts';
import { makeAll } from './unusable.ts';

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
  readonly cold?: ColdSupport | undefined;
  readonly onCount: (path: string, replica: string, what: CompanionCount, amount: number) => void;
  /** Configured and not to be used; their files and names stay theirs. Default none. */
  readonly disabled?: readonly DisabledDatabase[];
  /** A database whose replicas cannot even be opened stands in the way of the others, too. Default false. */
  readonly strict?: boolean;
  /** A database has been let go: nothing is said about it any more. */
  readonly onRemoved?: (path: string) => void;
}

/** How long an addition may take to look at its database before the next one begins, ms. */
const ADD_PATIENCE = 5000;

export class Replication implements ReplicationService {
  readonly startedAt: number;
  readonly disabled: readonly DisabledDatabase[];
  readonly #options: ReplicationOptions;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #claims = new Claims();
  /** Replaced by another list at every change, so that whoever goes through one is not disturbed. */
  #managed: readonly Managed[] = [];
  readonly #leaving = new Map<string, Promise<Unreplicated[]>>();
  /** Where `directories` come from; set by who watches them. */
  watched: (() => readonly DirectoryStatus[]) | undefined;
  #isStopping = false;

  private constructor(managed: readonly Managed[], disabled: readonly DisabledDatabase[], options: ReplicationOptions) {
    this.#options = options;
    this.#managed = managed;
    this.disabled = disabled;
    for (const { entry } of managed) this.#claims.claim(entry);
    for (const entry of disabled) if (!this.#claims.has(entry.settings.path)) this.#claims.claim(entry);
    this.#clock = options.clock;
    this.#observer = new Observer(this, options.clock, options.log);
    this.startedAt = options.clock.now();
  }

  get databases(): readonly ManagedDatabase[] {
    return this.#managed.map(({ database }) => database);
  }

  /** What the databases were made from, in the same order. */
  get entries(): readonly DatabaseEntry[] {
    return this.#managed.map(({ entry }) => entry);
  }

  get directories(): readonly DirectoryStatus[] {
    return this.watched?.() ?? [];
  }

  /** Makes everything; nothing is contacted or opened before `start`. */
  static async create(entries: readonly DatabaseEntry[], options: ReplicationOptions): Promise<Replication> {
    const { made, disabled } = await makeAll(entries, (entry) => makeDatabase(entry, options), options);
    return new Replication(
      made.map(([entry, database]) => ({ entry, database })),
      disabled,
      options,
    );
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
    // Each look costs something for every database.
    const pause = Math.max(20, this.databases.length);
    // Counted by the pauses: on a machine that stands still nobody can say anything.
    for (let waited = 0; ; waited += pause) {
      const states = await Promise.all(this.databases.map((database) => database.status()));
      const refusals = states.flatMap((status) => startRefusal(status) ?? []);
      const [first] = refusals;
      // A directory may get other members.
      const isOpenEnded = this.#managed.some(({ entry }) => entry.memberOf !== undefined);
      if (first !== undefined && refusals.length === states.length && !isOpenEnded) {
        const { code, message, ...rest } = first;
        throw new LitestreamError(code, message, { ...rest });
      }
      if (!states.some(isOpening) || waited > patienceMs) return;
      await this.#clock.sleep(pause, { signal });
    }
  }

  /** The database at this path, under whatever spelling, has its place here. */
  has(path: string): boolean {
    return this.#claims.has(path);
  }

  isNameTaken(name: string): boolean {
    return this.#claims.isNameTaken(name);
  }

  /**
   * Takes one more database in and starts it; resolves when it has been looked at for the first time, or is taking its time. CONFIG_INVALID
   * when its file, local state or destination belongs to another one, SHUTTING_DOWN when it is too late.
   */
  async add(entry: DatabaseEntry): Promise<void> {
    this.#refuseWhileStopping();
    const { path } = entry.settings;
    this.#claims.claim(entry);
    let database: ManagedDatabase;
    try {
      database = await makeDatabase(entry, this.#options);
      this.#refuseWhileStopping();
    } catch (error) {
      this.#claims.release(path);
      throw error;
    }
    this.#managed = [...this.#managed, { entry, database }];
    database.start();
    const deadline = this.#clock.monotonic() + ADD_PATIENCE;
    while (!this.#isStopping && this.#clock.monotonic() < deadline && isOpening(await database.status()))
      await this.#clock.sleep(20, { unref: true });
  }

  /**
   * Final sync and upload of one database, then lets it go; what is at its replicas stays. DB_NOT_FOUND when there is none at this path.
   * @returns what did not reach a replica.
   */
  remove(path: string, limits: StopLimits): Promise<Unreplicated[]> {
    const under = this.#leaving.get(path);
    if (under !== undefined) return under;
    const found = this.#managed.find(({ entry }) => entry.settings.path === path);
    if (found === undefined) return Promise.reject(new LitestreamError('DB_NOT_FOUND', `no database ${path} is replicated here`));
    const leaving = found.database.stop(limits).finally(() => {
      this.#managed = this.#managed.filter((one) => one !== found);
      this.#claims.release(path);
      this.#leaving.delete(path);
      this.#options.onRemoved?.(path);
    });
    this.#leaving.set(path, leaving);
    return leaving;
  }

  #refuseWhileStopping(): void {
    if (this.#isStopping) throw new LitestreamError('SHUTTING_DOWN', 'replication is being stopped');
  }

  /** Stops all at once, each with the same deadline; the limits' signal skips what is still waiting. */
  async stop(limits: StopLimits): Promise<Unreplicated[]> {
    this.#isStopping = true;
    this.#observer.stop();
    const left = await Promise.all([
      ...this.#leaving.values(),
      ...this.#managed.filter(({ entry }) => !this.#leaving.has(entry.settings.path)).map(({ database }) => database.stop(limits)),
    ]);
    return left.flat();
  }
}

interface Managed {
  readonly entry: DatabaseEntry;
  readonly database: ManagedDatabase;
}

async function makeDatabase(entry: DatabaseEntry, options: ReplicationOptions): Promise<ManagedDatabase> {
  const { clock, log, lagBudgetMs } = options;
  const makeReplica = async (settings: ReplicaSettings): Promise<ManagedReplica> => {
    const replica = await options.openReplica(settings, entry.settings);
    const onUploadFailed = (code: string): void => options.onUploadFailed(entry.settings.path, settings.name, code);
    return new ManagedReplica({ database: entry.settings, settings, replica, clock, log, lagBudgetMs, onUploadFailed });
  };
  const replicas = await Promise.all(entry.replicas.map(makeReplica));
  const { openEngine, restoreMissing, onEngineEvent, scheduler, runJob, companions, cold } = options;
  return new ManagedDatabase(entry, replicas, {
    clock,
    log,
    lagBudgetMs,
    makeReplica,
    openEngine,
    restoreMissing,
    onEngineEvent,
    scheduler,
    runJob,
    companions,
    cold,
    onCount: (replica, what, amount) => options.onCount(entry.settings.path, replica, what, amount),
  });
}

/** An engine that has not looked at its database yet may still refuse it, whatever its replicas say. */
const isOpening = ({ state, engine }: DatabaseStatus): boolean =>
  state === 'starting' || (engine.state === 'starting' && engine.dbSize === 0);
