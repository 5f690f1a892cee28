/** Sets one database up with its application and its engine, and takes everything down again. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { DatabaseEngine } from '../../../src/engine/database-engine.ts';
import { type DatabaseEngineDeps, openDatabaseEngine } from '../../../src/engine/db/database.ts';
import { localLogDirectory } from '../../../src/engine/db/local-log.ts';
import type { EngineEvent } from '../../../src/engine/events.ts';
import type { DatabaseSettings } from '../../../src/engine/options.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { App } from '../../support/app-process.ts';
import { listLTX, Rebuild, rebuildAll } from '../../support/rebuild.ts';

export class Bench {
  readonly directory: string;
  readonly path: string;
  readonly metaPath: string;
  readonly events: EngineEvent[] = [];
  readonly #apps: App[] = [];
  readonly #engines: DatabaseEngine[] = [];

  private constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'engine-'));
    this.path = join(this.directory, 'app.db');
    this.metaPath = join(this.directory, '.app.db-litestream');
  }

  /** With an application that has made a database in WAL mode, unless `empty`. */
  static async make(options: { readonly pageSize?: number; readonly setup?: string } = {}): Promise<{ bench: Bench; app: App }> {
    const bench = new Bench();
    const app = await bench.app();
    const { pageSize = 4096, setup = 'CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)' } = options;
    await app.exec(`PRAGMA page_size = ${pageSize}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; ${setup}`);
    return { bench, app };
  }

  /** Without a database. */
  static bare(): Bench {
    return new Bench();
  }

  get logDirectory(): string {
    return localLogDirectory(this.metaPath);
  }

  async app(): Promise<App> {
    const app = await App.start(this.path);
    this.#apps.push(app);
    return app;
  }

  settings(settings: Partial<DatabaseSettings> = {}): DatabaseSettings {
    return {
      name: 'app',
      path: this.path,
      metaPath: this.metaPath,
      // Tests drive the engine by its verbs; those about the monitor set shorter times.
      monitorIntervalMs: 3_600_000,
      pollIntervalMs: 3_600_000,
      checkpointIntervalMs: 0,
      minCheckpointPages: 1_000_000,
      truncatePages: Number.POSITIVE_INFINITY,
      busyTimeoutMs: 1000,
      maxSyncWALBytes: Number.POSITIVE_INFINITY,
      pageForm: 'block',
      ...settings,
    };
  }

  /** Opens an engine; `floor` is 0 unless given. */
  engine(settings: Partial<DatabaseSettings> = {}, deps: Partial<DatabaseEngineDeps> = {}): DatabaseEngine {
    const engine = openDatabaseEngine(this.settings(settings), {
      clock: systemClock,
      log: silentLogger,
      onEvent: (event) => this.events.push(event),
      floor: toTXID(0),
      ...deps,
    });
    this.#engines.push(engine);
    return engine;
  }

  get files(): string[] {
    return listLTX(this.logDirectory);
  }

  /** Reasons of the full files so far, in order. */
  get fullReasons(): string[] {
    return this.events.flatMap((event) => (event.type === 'synced' && event.fullReason !== undefined ? [event.fullReason] : []));
  }

  get synced(): Extract<EngineEvent, { type: 'synced' }>[] {
    return this.events.filter((event) => event.type === 'synced');
  }

  /** Digest of the database as the local files have it, up to the file number `count` from the start (default: all). */
  async replicaDigest(app: App, count?: number): Promise<string> {
    const rebuild = count === undefined ? rebuildAll(this.logDirectory) : new Rebuild();
    for (const path of count === undefined ? [] : this.files.slice(0, count)) rebuild.apply(path);
    const path = join(this.directory, `rebuilt-${Math.random().toString(36).slice(2)}.db`);
    rebuild.writeTo(path);
    return app.digestFile(path);
  }

  async end(): Promise<void> {
    for (const engine of this.#engines) await engine.close().catch(() => {});
    for (const app of this.#apps) await app.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
