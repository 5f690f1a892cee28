/** Metrics of engines: passes over the WAL and checkpoints. */

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { EngineEvent } from '../../engine/events.ts';
import { labelled } from './labelled.ts';

export function engineMetrics(registry: Registry) {
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

/** Counts an event of the engine of the database at `db` (absolute path). */
export function observeEngine(m: ReturnType<typeof engineMetrics>, db: string, event: EngineEvent): void {
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
