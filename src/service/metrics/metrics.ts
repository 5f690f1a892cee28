/**
 * Prometheus metrics of the whole process: the original's names with their labels (docs/metrics.md), made true for every replica type,
 * plus lag, last confirmation and write-lock hold.
 */

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EngineEvent } from '../../engine/events.ts';
import type { StoreOperation } from '../../storage/wrap/meter.ts';
import type { ColdCount } from '../cold/support.ts';
import type { CompanionCount } from '../companions/companion.ts';
import type { DatabaseHandle, DatabaseState, ReplicaStatus } from '../service.ts';
import { companionMetrics, observeCompanions } from './companion-metrics.ts';
import { sweepDatabases } from './sweep.ts';

const REPLICA_STATES: readonly ReplicaStatus['state'][] = ['starting', 'replicating', 'degraded', 'failing', 'stopped'];
const STATES: readonly DatabaseState[] = ['waiting', 'starting', 'replicating', 'degraded', 'failing', 'stopped'];

export class Metrics {
  readonly #registry = new Registry();
  readonly #engine = engineMetrics(this.#registry);
  readonly #store = storeMetrics(this.#registry);
  readonly #service = serviceMetrics(this.#registry);
  readonly #companions = companionMetrics(this.#registry);
  readonly #mcp = mcpMetrics(this.#registry);
  #mustSweep = false;

  constructor(version: string) {
    new Gauge({
      name: 'litestream_build_info',
      help: 'Always 1; the version is a label.',
      labelNames: ['version'],
      registers: [this.#registry],
    })
      .labels(version)
      .set(1);
  }

  /** Content type of `render`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Listener to the engine events of the database at `db` (absolute path). */
  engineEvent(db: string, event: EngineEvent): void {
    const m = this.#engine;
    switch (event.type) {
      case 'synced':
        m.txid.labels(db).set(Number(event.txid));
        m.totalWALBytes.labels(db).inc(event.walBytes);
        return;
      case 'pass':
        // A database that could not be opened has not become empty.
        if (event.error === undefined || event.dbSize > 0) m.dbSize.labels(db).set(event.dbSize);
        if (event.error === undefined || event.walOffset > 0) m.walSize.labels(db).set(event.walOffset);
        m.syncCount.labels(db).inc();
        m.syncSeconds.labels(db).inc(event.durationMs / 1000);
        m.syncErrors.labels(db).inc(event.error === undefined ? 0 : 1);
        m.diskFull.labels(db).set(event.diskFull ? 1 : 0);
        return;
      case 'checkpoint':
        m.checkpoints.labels(db, event.mode).inc();
        m.checkpointSeconds.labels(db, event.mode).inc(event.durationMs / 1000);
        m.checkpointErrors.labels(db, event.mode).inc(event.error === undefined ? 0 : 1);
        if (event.error === undefined) m.writeLock.labels(db).observe(event.writeLockMs / 1000);
        return;
      case 'state':
        return;
    }
  }

  /** A closed database was woken, or what came of it. */
  coldCount(db: string, what: ColdCount): void {
    this.#service.cold[what].labels(db).inc();
  }

  /** Listener to the metering wrapper of every store. */
  storeOperation({ replicaType, operation, bytes, durationMs, code }: StoreOperation): void {
    const m = this.#store;
    m.total.labels(replicaType, operation).inc();
    m.bytes.labels(replicaType, operation).inc(bytes);
    m.duration.labels(replicaType, operation).observe(durationMs / 1000);
    if (code !== undefined) m.errors.labels(replicaType, operation, code).inc();
  }

  /** A round of uploads failed. */
  uploadFailed(db: string, replica: string, code: string): void {
    this.#service.uploadErrors.labels(db, replica, code).inc();
  }

  /** Something that accompanies a replica has happened. */
  count(db: string, replica: string, what: CompanionCount, amount: number): void {
    this.#companions.counters[what].labels(db, replica).inc(amount);
  }

  /** Listener to the MCP doors: one finished or refused call. */
  mcpCall(tool: string, outcome: string, seconds: number): void {
    this.#mcp.calls.labels(tool, outcome).inc();
    this.#mcp.duration.labels(tool).observe(seconds);
  }

  /** Listener to the MCP doors: a request turned away before any tool ran. */
  mcpRefused(reason: string): void {
    this.#mcp.refused.labels(reason).inc();
  }

  /** Listener to the MCP doors: open connections of a kind. */
  mcpConnections(kind: string, count: number): void {
    this.#mcp.connections.labels(kind).set(count);
  }

  /** A database has been let go; its series end with the next exposition. */
  databaseRemoved(): void {
    this.#mustSweep = true;
  }

  /** The text exposition; positions and lag are read from `databases` at this moment. */
  async render(databases: readonly DatabaseHandle[]): Promise<string> {
    if (this.#mustSweep) await sweepDatabases(this.#registry, new Set(databases.map(({ settings }) => settings.path)));
    this.#mustSweep = false;
    await Promise.all(databases.map((database) => this.#observe(database)));
    return this.#registry.metrics();
  }

  async #observe(database: DatabaseHandle): Promise<void> {
    const db = database.settings.path;
    const m = this.#service;
    const status = await database.status();
    for (const state of STATES) m.state.labels(db, state).set(status.state === state ? 1 : 0);
    m.unprotected.labels(db).set(status.unprotectedSeconds);
    if (status.cold !== undefined) m.isCold.labels(db).set(status.engine.state === 'cold' ? 1 : 0);
    for (const replica of status.replicas) {
      for (const state of REPLICA_STATES) m.replicaState.labels(db, replica.name, replica.role, state).set(replica.state === state ? 1 : 0);
      m.lag.labels(db, replica.name).set(replica.lagSeconds);
      m.pendingBytes.labels(db, replica.name).set(replica.pendingBytes);
      if (replica.txid !== undefined) m.replicaTXID.labels(db, replica.name).set(Number(replica.txid));
      if (replica.lastConfirmedAt !== undefined) m.lastReplicaTime.labels(db, replica.name).set(replica.lastConfirmedAt / 1000);
      observeCompanions(this.#companions, db, replica);
    }
  }
}

function labelled<T extends string>(registry: Registry, ...names: T[]): { labelNames: T[]; registers: Registry[] } {
  return { labelNames: names, registers: [registry] };
}

function engineMetrics(registry: Registry) {
  const db = labelled(registry, 'db');
  const mode = labelled(registry, 'db', 'mode');
  // Announced so that dashboards and alerts of the original load.
  new Gauge({
    name: 'litestream_l0_retention_files_total',
    help: 'Level-0 files by retention status.',
    ...labelled(registry, 'db', 'status'),
  });
  return {
    dbSize: new Gauge({ name: 'litestream_db_size', help: 'Bytes of the database file at the last pass.', ...db }),
    walSize: new Gauge({ name: 'litestream_wal_size', help: 'Logical WAL offset up to which changes are captured.', ...db }),
    totalWALBytes: new Counter({ name: 'litestream_total_wal_bytes', help: 'WAL bytes turned into LTX files.', ...db }),
    txid: new Gauge({ name: 'litestream_txid', help: 'Local position.', ...db }),
    syncCount: new Counter({ name: 'litestream_sync_count', help: 'Passes over the WAL.', ...db }),
    syncErrors: new Counter({ name: 'litestream_sync_error_count', help: 'Passes over the WAL that failed.', ...db }),
    syncSeconds: new Counter({ name: 'litestream_sync_seconds', help: 'Time spent in passes over the WAL.', ...db }),
    diskFull: new Gauge({ name: 'litestream_disk_full', help: '1 when the last pass failed for lack of space.', ...db }),
    checkpoints: new Counter({ name: 'litestream_checkpoint_count', help: 'Checkpoints tried.', ...mode }),
    checkpointErrors: new Counter({ name: 'litestream_checkpoint_error_count', help: 'Checkpoints that failed.', ...mode }),
    checkpointSeconds: new Counter({ name: 'litestream_checkpoint_seconds', help: 'Time spent in checkpoints.', ...mode }),
    writeLock: new Histogram({
      name: 'litestream_checkpoint_write_lock_seconds',
      help: 'How long a checkpoint held the write lock against the application.',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      ...db,
    }),
  };
}

function storeMetrics(registry: Registry) {
  const operation = labelled(registry, 'replica_type', 'operation');
  return {
    total: new Counter({ name: 'litestream_replica_operation_total', help: 'Calls to object stores.', ...operation }),
    bytes: new Counter({ name: 'litestream_replica_operation_bytes', help: 'Bytes sent to and read from object stores.', ...operation }),
    duration: new Histogram({
      name: 'litestream_replica_operation_duration_seconds',
      help: 'Duration of calls to object stores.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60],
      ...operation,
    }),
    errors: new Counter({
      name: 'litestream_replica_operation_errors_total',
      help: 'Calls to object stores that failed.',
      ...labelled(registry, 'replica_type', 'operation', 'code'),
    }),
  };
}

function serviceMetrics(registry: Registry) {
  const replica = labelled(registry, 'db', 'replica');
  return {
    state: new Gauge({ name: 'litestream_db_state', help: '1 for the state the database is in.', ...labelled(registry, 'db', 'state') }),
    unprotected: new Gauge({
      name: 'litestream_db_unprotected_seconds',
      help: 'Age of the oldest change confirmed at no replica.',
      ...labelled(registry, 'db'),
    }),
    isCold: new Gauge({
      name: 'litestream_db_cold',
      help: '1 while the database is closed because nobody writes; absent where that is not allowed.',
      ...labelled(registry, 'db'),
    }),
    cold: {
      wakes: new Counter({
        name: 'litestream_db_cold_wakes_total',
        help: 'How often the closed database was opened again.',
        ...labelled(registry, 'db'),
      }),
      full_files: new Counter({
        name: 'litestream_db_cold_full_files_total',
        help: 'Wakes that had to write a full file.',
        ...labelled(registry, 'db'),
      }),
      missed: new Counter({
        name: 'litestream_db_cold_missed_events_total',
        help: 'Changes of the closed database that no file event told of.',
        ...labelled(registry, 'db'),
      }),
    },
    lag: new Gauge({
      name: 'litestream_replica_lag_seconds',
      help: 'Age of the oldest local change that is not at the replica; 0 when in sync.',
      ...replica,
    }),
    replicaState: new Gauge({
      name: 'litestream_replica_state',
      help: '1 for the state the replica is in.',
      ...labelled(registry, 'db', 'replica', 'role', 'state'),
    }),
    pendingBytes: new Gauge({ name: 'litestream_replica_pending_bytes', help: 'Bytes waiting for upload.', ...replica }),
    replicaTXID: new Gauge({ name: 'litestream_replica_txid', help: 'Position known to be at the replica.', ...replica }),
    lastReplicaTime: new Gauge({
      name: 'litestream_db_last_replica_time',
      help: 'Unix time of the last upload or confirmation that the replica is in sync.',
      ...replica,
    }),
    uploadErrors: new Counter({
      name: 'litestream_replica_upload_errors_total',
      help: 'Upload rounds that failed.',
      ...labelled(registry, 'db', 'replica', 'code'),
    }),
  };
}

function mcpMetrics(registry: Registry) {
  return {
    calls: new Counter({ name: 'litestream_mcp_calls_total', help: 'MCP tool calls.', ...labelled(registry, 'tool', 'outcome') }),
    duration: new Histogram({
      name: 'litestream_mcp_duration_seconds',
      help: 'Duration of MCP tool calls.',
      ...labelled(registry, 'tool'),
    }),
    connections: new Gauge({ name: 'litestream_mcp_connections', help: 'Open MCP connections.', ...labelled(registry, 'kind') }),
    refused: new Counter({
      name: 'litestream_mcp_refused_total',
      help: 'MCP requests refused before a tool ran.',
      ...labelled(registry, 'reason'),
    }),
  };
}
