/** A running service over real engines, applications in their own processes, and scripted file replicas. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { LitestreamError } from '../../src/base/errors.ts';
import type { LogFields, Logger, LogLevel } from '../../src/base/log.ts';
import { openDatabaseEngine } from '../../src/engine/db/database.ts';
import type { EngineEvent } from '../../src/engine/events.ts';
import type { DatabaseSettings, ReplicaSettings } from '../../src/engine/options.ts';
import { LATEST } from '../../src/engine/restore/target.ts';
import { layoutFor } from '../../src/replica/layout.ts';
import { Replica } from '../../src/replica/replica.ts';
import type { ColdSupport } from '../../src/service/cold/support.ts';
import type { CompanionCount, MakeCompanion } from '../../src/service/companions/companion.ts';
import type { OpenEngine } from '../../src/service/engine-keeper.ts';
import type { ManagedDatabase } from '../../src/service/managed-database.ts';
import type { DatabaseEntry } from '../../src/service/options.ts';
import { Replication, type ReplicationOptions } from '../../src/service/replication.ts';
import type { DatabaseState } from '../../src/service/service.ts';
import { FileStore } from '../../src/storage/file/file.ts';
import type { FileStoreSpec } from '../../src/storage/spec.ts';
import { runJob } from '../../src/workers/job-host.ts';
import { App } from '../support/app-process.ts';
import { FaultStore, type StoreVerb } from '../support/fault-store.ts';
import { ManualScheduler } from '../support/manual-scheduler.ts';

export interface Line {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

const unavailable = (): LitestreamError => new LitestreamError('STORAGE_UNAVAILABLE', 'the test has cut the line');
const VERBS: readonly StoreVerb[] = ['list', 'open', 'put', 'stat', 'delete'];

const OBSERVED = 'the database is not protected as it should be';

/** Replicas by name, as if they were on other machines. */
export class Remote {
  readonly path: string;
  readonly store: FaultStore;

  constructor(path: string) {
    this.path = path;
    this.store = new FaultStore(new FileStore({ type: 'file', path }));
  }

  cut(...verbs: StoreVerb[]): void {
    for (const on of verbs.length === 0 ? VERBS : verbs)
      this.store.script({ on, fault: { type: 'error', error: unavailable() }, times: Number.POSITIVE_INFINITY });
  }

  /** Answers what only a person can change. */
  refuse(): void {
    const error = new LitestreamError('ACCESS_DENIED', 'the test has locked the door', { hint: 'Ask for the key.' });
    for (const on of VERBS) this.store.script({ on, fault: { type: 'error', error }, times: Number.POSITIVE_INFINITY });
  }

  hang(...verbs: StoreVerb[]): void {
    for (const on of verbs.length === 0 ? VERBS : verbs)
      this.store.script({ on, fault: { type: 'hang' }, times: Number.POSITIVE_INFINITY });
  }

  heal(): void {
    this.store.heal();
  }

  async txids(level: 0 | 9 = 0): Promise<number[]> {
    const txids: number[] = [];
    for await (const { maxTXID } of new Replica(this.store.innermost, layoutFor('file')).list(level)) txids.push(Number(maxTXID));
    return txids;
  }
}

export class Setting {
  readonly directory = mkdtempSync(join(tmpdir(), 'litestream-service-'));
  readonly lines: Line[] = [];
  readonly events: { readonly path: string; readonly event: EngineEvent }[] = [];
  readonly uploadFailures: string[] = [];
  /** Work runs when a test says `scheduler.run(name)`. */
  readonly scheduler = new ManualScheduler();
  readonly counts = new Map<CompanionCount, number>();
  companions: readonly MakeCompanion[] = [];
  clock: Clock = systemClock;
  /** Undefined: no database is closed while it is idle. */
  cold: ColdSupport | undefined;
  readonly #remotes = new Map<string, Remote>();
  readonly #apps: App[] = [];
  readonly #services: Replication[] = [];
  restoreMissing: ReplicationOptions['restoreMissing'] = async () => false;
  lagBudgetMs = 60_000;
  /** From now on services reach the replicas without their faults. */
  bypassFaults = false;
  openReplica: ReplicationOptions['openReplica'] = async ({ name, store }) => {
    const remote = this.#remotes.get(name)?.store;
    const found = this.bypassFaults ? remote?.innermost : remote;
    return new Replica(found ?? new FaultStore(new FileStore(store as FileStoreSpec)), layoutFor('file'));
  };
  openEngine: OpenEngine = (settings, { floor }, { onEvent }) =>
    openDatabaseEngine(settings, { clock: systemClock, log: this.log, onEvent, floor });

  readonly log: Logger = this.#logger({});

  #logger(given: LogFields): Logger {
    return {
      log: (level, message, fields = {}) => void this.lines.push({ level, message, fields: { ...given, ...fields } }),
      with: (fields) => this.#logger({ ...given, ...fields }),
    };
  }

  /** Lines of this code, without those of the observer, which looks every few seconds and speaks for itself. */
  told(code: string): Line[] {
    return this.lines.filter(
      ({ level, message, fields }) => level !== 'info' && message !== OBSERVED && JSON.stringify(fields).includes(code),
    );
  }

  messages(level?: LogLevel): string[] {
    return this.lines.filter((line) => level === undefined || line.level === level).map(({ message }) => message);
  }

  remote(name: string): Remote {
    const found = this.#remotes.get(name);
    if (found !== undefined) return found;
    mkdirSync(join(this.directory, 'remote'), { recursive: true });
    const made = new Remote(join(this.directory, 'remote', name));
    this.#remotes.set(name, made);
    return made;
  }

  at(...names: string[]): string {
    return join(this.directory, ...names);
  }

  settings(name = 'app', more: Partial<DatabaseSettings> = {}): DatabaseSettings {
    return {
      name,
      path: this.at(`${name}.db`),
      metaPath: this.at(`.${name}.db-litestream`),
      monitorIntervalMs: 10,
      pollIntervalMs: 50,
      checkpointIntervalMs: 0,
      minCheckpointPages: 1_000_000,
      truncatePages: Number.POSITIVE_INFINITY,
      busyTimeoutMs: 1000,
      maxSyncWALBytes: Number.POSITIVE_INFINITY,
      pageForm: 'block',
      ...more,
    };
  }

  entry(replicas: readonly string[] = ['one'], more: Partial<Omit<DatabaseEntry, 'replicas'>> = {}): DatabaseEntry {
    return {
      settings: this.settings(),
      restoreIfMissing: false,
      ...more,
      replicas: replicas.map(
        (name): ReplicaSettings => ({
          name,
          store: { type: 'file', path: this.remote(name).path },
          syncIntervalMs: 20,
          maxSyncFiles: Number.POSITIVE_INFINITY,
        }),
      ),
    };
  }

  async create(...entries: readonly DatabaseEntry[]): Promise<Replication> {
    const service = await Replication.create(entries, {
      clock: this.clock,
      log: this.log,
      lagBudgetMs: this.lagBudgetMs,
      openEngine: (settings, facts, listener) => this.openEngine(settings, facts, listener),
      openReplica: (replica, database) => this.openReplica(replica, database),
      restoreMissing: (entry, signal) => this.restoreMissing(entry, signal),
      onEngineEvent: (path, event) => this.events.push({ path, event }),
      onUploadFailed: (_path, _replica, code) => this.uploadFailures.push(code),
      scheduler: this.scheduler,
      runJob,
      companions: this.companions,
      cold: this.cold,
      onCount: (_path, _replica, what, amount) => void this.counts.set(what, (this.counts.get(what) ?? 0) + amount),
    });
    this.#services.push(service);
    return service;
  }

  /** One database, running. */
  async start(entry: DatabaseEntry = this.entry()): Promise<{ service: Replication; database: ManagedDatabase }> {
    const service = await this.create(entry);
    service.start();
    const [database] = service.databases;
    if (database === undefined) throw new Error('there is no database');
    return { service, database };
  }

  /** Its process has the database open. */
  async application(name = 'app'): Promise<App> {
    const app = await App.start(this.at(`${name}.db`));
    this.#apps.push(app);
    await app.exec('PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body TEXT)');
    return app;
  }

  /** What a newcomer would restore from `replica`. */
  async restoredDigest(app: App, replica = 'one'): Promise<string> {
    const output = this.at(`restored-${Math.random().toString(36).slice(2)}.db`);
    const store = { type: 'file', path: this.remote(replica).path } as const;
    await runJob('restore', { store, target: LATEST, output, integrity: 'quick' });
    return app.digestFile(output);
  }

  async end(): Promise<void> {
    for (const remote of this.#remotes.values()) remote.heal();
    for (const service of this.#services) await service.stop({ deadlineMs: 0, retryMs: 0, signal: AbortSignal.abort() });
    await Promise.all(this.#apps.map((app) => app.stop()));
    // An upload that was given up may still be making its file.
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

export const becomes = (database: ManagedDatabase, state: DatabaseState) =>
  expect.poll(async () => (await database.status()).state, { interval: 10, timeout: 60_000 }).toBe(state);

/** Everything is captured and at every replica. */
export const settled = (database: ManagedDatabase) => database.sync({ wait: true, signal: AbortSignal.timeout(60_000) });

/** Far more than it takes. */
export const STOP = { deadlineMs: 60_000, retryMs: 20, signal: new AbortController().signal };
