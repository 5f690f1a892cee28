/** One configured database over its life in this process: engine, uploaders, and what they say about each other. */

import { join } from 'node:path';
import { Backoff } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { errorToData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { DatabaseEngine, EngineStatus, PageSums, SyncResult } from '../engine/database-engine.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { DatabaseSettings } from '../engine/options.ts';
import { LocalLog } from '../engine/upload/local-log.ts';
import { NO_TXID, type TXID } from '../formats/ltx/txid.ts';
import type { FileInfo } from '../replica/file-info.ts';
import { EngineView } from './engine-view.ts';
import type { ManagedReplica } from './managed-replica.ts';
import type { DatabaseEntry } from './options.ts';
import type { DatabaseHandle, DatabaseState, DatabaseStatus, ReplicaHandle } from './service.ts';

/** How an engine is brought up; answers the same whether it lives in this thread or another. */
export type OpenEngine = (
  settings: DatabaseSettings,
  facts: { readonly floor: TXID | undefined },
  listener: { readonly onEvent: (event: EngineEvent) => void; readonly onStopped: (error: LitestreamError) => void },
) => DatabaseEngine;

export interface ManagedDatabaseCollaborators {
  readonly clock: Clock;
  readonly log: Logger;
  readonly openEngine: OpenEngine;
  /** Restores the missing database file before replication starts; false when there is nothing to restore. */
  readonly restoreMissing: (entry: DatabaseEntry, signal: AbortSignal) => Promise<boolean>;
  readonly onEngineEvent: (path: string, event: EngineEvent) => void;
  readonly lagBudgetMs: number;
}

/** What a stopped database leaves behind. */
export interface Unreplicated {
  readonly database: string;
  readonly replica: string;
  readonly error: string;
}

/** Local files are looked through for removal at most this often, ms. */
const PRUNE_INTERVAL = 60_000;

const RETRY = { initialMs: 1000, capMs: 300_000, jitter: 0.1 };

export class ManagedDatabase implements DatabaseHandle {
  readonly settings: DatabaseSettings;
  readonly replicas: readonly ManagedReplica[];
  readonly #entry: DatabaseEntry;
  readonly #with: ManagedDatabaseCollaborators;
  readonly #log: Logger;
  readonly #stopping = new AbortController();
  readonly #view: EngineView;
  #engine: DatabaseEngine | undefined;
  #starting: Promise<void> | undefined;
  #prunedAt = 0;

  constructor(entry: DatabaseEntry, replicas: readonly ManagedReplica[], collaborators: ManagedDatabaseCollaborators) {
    this.settings = entry.settings;
    this.replicas = replicas;
    this.#entry = entry;
    this.#with = collaborators;
    this.#log = collaborators.log.with({ database: entry.settings.name });
    this.#view = new EngineView(collaborators.clock);
  }

  /** Begins in the background and keeps trying; problems are told by `status`. */
  start(): void {
    this.#starting = this.#begin().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#view.fail(errorToData(error));
    });
  }

  async sync({ wait, signal }: { readonly wait: boolean; readonly signal?: AbortSignal }): Promise<SyncResult> {
    const result = await this.#running().sync();
    if (wait) await Promise.all(this.replicas.map((replica) => replica.flush(signal)));
    return result;
  }

  async snapshot(handle: ReplicaHandle, signal?: AbortSignal): Promise<FileInfo> {
    const replica = this.replicas.find((one) => one === handle);
    if (replica === undefined)
      throw new LitestreamError('REPLICA_NOT_FOUND', `${handle.settings.name} is not a replica of ${this.settings.name}`);
    const staged = await this.#running().snapshot(this.settings.metaPath);
    return replica.putSnapshot(staged, signal);
  }

  pageSums(directory: string): Promise<PageSums> {
    return this.#running().pageSums(directory);
  }

  async status(): Promise<DatabaseStatus> {
    const engine = await this.#view.read(this.#engine);
    const replicas = this.replicas.map((replica) => replica.status());
    const error = engine.error ?? replicas.find((replica) => replica.lastError !== undefined)?.lastError?.error;
    return {
      state: this.#state(engine, replicas),
      since: engine.since,
      ...(error === undefined ? {} : { error }),
      engine,
      replicas,
      unprotectedSeconds: this.#unprotectedSeconds(engine, replicas),
    };
  }

  /**
   * Final sync and upload, then releases everything. A failing last upload is retried until the deadline.
   * @returns what did not reach a replica.
   */
  async stop(limits: { readonly deadlineMs: number; readonly retryMs: number; readonly signal: AbortSignal }): Promise<Unreplicated[]> {
    this.#stopping.abort(new LitestreamError('SHUTTING_DOWN', `replication of ${this.settings.name} is being stopped`));
    await this.#starting;
    const left: Unreplicated[] = [];
    const closing = await this.#closeEngine();
    if (closing !== undefined) left.push({ database: this.settings.name, replica: '-', error: closing.message });
    await Promise.all(
      this.replicas.map(async (replica) => {
        const error = await replica.finish(limits);
        if (error !== undefined) left.push({ database: this.settings.name, replica: replica.settings.name, error: error.message });
      }),
    );
    return left;
  }

  async #begin(): Promise<void> {
    const signal = this.#stopping.signal;
    if (this.#entry.restoreIfMissing) await this.#restoreMissing(signal);
    const floors = await Promise.all(this.replicas.map((replica) => replica.findPosition(signal)));
    signal.throwIfAborted();
    const known = floors.every((floor) => floor !== undefined);
    this.#openEngine(known ? largest(floors) : undefined);
    for (const replica of this.replicas) {
      replica.start({
        raise: (raised) => this.#raise(raised),
        snapshot: () => this.#running().snapshot(this.settings.metaPath),
        confirmed: () => this.#prune(),
      });
    }
    if (!known) void this.#findFloors(signal);
  }

  #openEngine(floor: TXID | undefined): void {
    this.#engine = this.#with.openEngine(
      this.settings,
      { floor },
      { onEvent: (event) => this.#onEvent(event), onStopped: (error) => void this.#reopen(error) },
    );
  }

  #onEvent(event: EngineEvent): void {
    this.#view.observe(event);
    this.#with.onEngineEvent(this.settings.path, event);
    if (event.type === 'synced') for (const replica of this.replicas) replica.notify(event);
  }

  /** A replica that could not be asked at the start may hold more than we know: raise the engine as soon as all have answered. */
  async #findFloors(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(RETRY);
    while (!signal.aborted) {
      try {
        await this.#with.clock.sleep(backoff.next(), { signal, unref: true });
      } catch {
        return; // stopped while waiting
      }
      const floors = await Promise.all(this.replicas.map((replica) => replica.findPosition(signal)));
      if (floors.every((floor) => floor !== undefined)) return this.#raise(largest(floors));
    }
  }

  async #raise(floor: TXID): Promise<void> {
    try {
      await this.#engine?.raise(floor);
    } catch (error) {
      this.#log.log('warn', 'raising the position failed; it is tried again with the next upload round', { error: errorToData(error) });
    }
  }

  /** Local files every replica has are kept for a while, then removed. */
  #prune(): void {
    const now = this.#with.clock.now();
    if (now - this.#prunedAt < PRUNE_INTERVAL) return;
    const positions = this.replicas.map((replica) => replica.position);
    if (positions.some((position) => position === undefined)) return;
    this.#prunedAt = now;
    const confirmed = positions.reduce<TXID | undefined>(
      (least, position) => (least === undefined || (position !== undefined && position < least) ? position : least),
      undefined,
    );
    if (confirmed === undefined) return;
    new LocalLog(join(this.settings.metaPath, 'ltx', '0')).prune(confirmed, now).catch((error: unknown) => {
      this.#log.log('warn', 'removing old local files failed', { error: errorToData(error) });
    });
  }

  async #reopen(error: LitestreamError): Promise<void> {
    this.#engine = undefined;
    this.#view.fail(errorToData(error));
    this.#log.log('error', 'engine thread ended; opening again', { error: errorToData(error) });
    try {
      await this.#with.clock.sleep(1000, { signal: this.#stopping.signal });
      this.#openEngine(undefined);
    } catch (cause) {
      if (!this.#stopping.signal.aborted) this.#view.fail(errorToData(cause));
    }
  }

  async #restoreMissing(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(RETRY);
    for (;;) {
      try {
        await this.#with.restoreMissing(this.#entry, signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        const data = errorToData(error);
        this.#view.fail(data);
        this.#log.log('error', 'restoring the missing database failed; trying again', { error: data });
        await this.#with.clock.sleep(backoff.next(), { signal });
      }
    }
  }

  #running(): DatabaseEngine {
    if (this.#engine !== undefined) return this.#engine;
    throw new LitestreamError('DB_NOT_OPEN', `database ${this.settings.name} is not open`, {
      hint: 'Its state and the reason are in `litestream status`.',
    });
  }

  async #closeEngine(): Promise<LitestreamError | undefined> {
    const engine = this.#engine;
    this.#engine = undefined;
    try {
      await engine?.close();
      return undefined;
    } catch (error) {
      const data = errorToData(error);
      this.#log.log('error', 'the final sync failed', { error: data });
      return new LitestreamError(data.code, `final sync of ${this.settings.name}: ${data.message}`, { cause: error });
    }
  }

  #state(engine: EngineStatus, replicas: DatabaseStatus['replicas']): DatabaseState {
    if (engine.state !== 'replicating') return engine.state;
    if (replicas.length > 0 && replicas.every((replica) => replica.state === 'failing')) return 'failing';
    const behind = replicas.some((replica) => replica.state === 'failing' || replica.state === 'degraded');
    return behind || this.#pendingSeconds(engine) * 1000 > this.#with.lagBudgetMs ? 'degraded' : 'replicating';
  }

  #pendingSeconds(engine: EngineStatus): number {
    return engine.pendingSince === undefined ? 0 : Math.max(0, this.#with.clock.now() - engine.pendingSince) / 1000;
  }

  /** The best replica decides: a change is protected as soon as one of them has it. */
  #unprotectedSeconds(engine: EngineStatus, replicas: DatabaseStatus['replicas']): number {
    const best = replicas.length === 0 ? 0 : Math.min(...replicas.map((replica) => replica.lagSeconds));
    return Math.max(best, this.#pendingSeconds(engine));
  }
}

function largest(floors: readonly (TXID | undefined)[]): TXID {
  return floors.reduce<TXID>((most, floor) => (floor !== undefined && floor > most ? floor : most), NO_TXID);
}
