/** Metrics of engines: passes over the WAL and checkpoints. */

import type { EngineEvent } from '../../engine/events.ts';
import type { CheckpointSeries, DatabaseSeries } from './database-series.ts';
import { type Family, ofDatabases } from './family.ts';
import { Histogram } from './histogram.ts';
import { histogramOfDatabases } from './histogram-family.ts';
import { closing } from './lines.ts';

/** Upper ends of the buckets for write locks, s. */
const WRITE_LOCK_BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** What is undefined before the first pass. */
const afterPass = (value: (of: DatabaseSeries) => number) => (of: DatabaseSeries) => (of.passes === 0 ? undefined : value(of));

export const ENGINE_FAMILIES: readonly Family[] = [
  ofDatabases('gauge', 'litestream_db_size', 'Bytes of the database file at the last pass.', ({ dbSize }) => dbSize),
  ofDatabases('gauge', 'litestream_wal_size', 'Logical WAL offset up to which changes are captured.', ({ walSize }) => walSize),
  ofDatabases('counter', 'litestream_total_wal_bytes', 'WAL bytes turned into LTX files.', ({ walBytes }) => walBytes),
  ofDatabases('gauge', 'litestream_txid', 'Local position.', ({ txid }) => txid),
  ofDatabases(
    'counter',
    'litestream_sync_count',
    'Passes over the WAL.',
    afterPass(({ passes }) => passes),
  ),
  ofDatabases(
    'counter',
    'litestream_sync_error_count',
    'Passes over the WAL that failed.',
    afterPass(({ failedPasses }) => failedPasses),
  ),
  ofDatabases(
    'counter',
    'litestream_sync_seconds',
    'Time spent in passes over the WAL.',
    afterPass(({ passSeconds }) => passSeconds),
  ),
  ofDatabases('gauge', 'litestream_disk_full', '1 when the last pass failed for lack of space.', ({ isDiskFull }) =>
    isDiskFull === undefined ? undefined : Number(isDiskFull),
  ),
  byMode('litestream_checkpoint_count', 'Checkpoints tried.', 'tried'),
  byMode('litestream_checkpoint_error_count', 'Checkpoints that failed.', 'failed'),
  byMode('litestream_checkpoint_seconds', 'Time spent in checkpoints.', 'seconds'),
  histogramOfDatabases(
    'litestream_checkpoint_write_lock_seconds',
    'How long a checkpoint held the write lock against the application.',
    WRITE_LOCK_BOUNDS,
    ({ checkpoints }) => checkpoints?.writeLock,
  ),
];

function byMode(name: string, help: string, what: 'tried' | 'failed' | 'seconds'): Family {
  const write: Family['write'] = (lines, database) => {
    if (database.checkpoints === undefined) return;
    for (const [mode, of] of Object.entries(database.checkpoints.byMode)) lines.add(database, undefined, of[what], closing('mode', mode));
  };
  return { name, type: 'counter', help, write };
}

/** Counts an event of the engine of a database. */
export function observeEngine(database: DatabaseSeries, event: EngineEvent): void {
  switch (event.type) {
    case 'synced':
      database.txid = Number(event.txid);
      database.walBytes = (database.walBytes ?? 0) + event.walBytes;
      return;
    case 'pass':
      // A database that could not be opened has not become empty.
      if (event.error === undefined || event.dbSize > 0) database.dbSize = event.dbSize;
      if (event.error === undefined || event.walOffset > 0) database.walSize = event.walOffset;
      database.passes += 1;
      database.passSeconds += event.durationMs / 1000;
      if (event.error !== undefined) database.failedPasses += 1;
      database.isDiskFull = event.diskFull;
      return;
    case 'checkpoint': {
      database.checkpoints ??= { byMode: {}, writeLock: undefined };
      observeCheckpoint(database.checkpoints, event);
      return;
    }
    case 'state':
      return;
  }
}

function observeCheckpoint(checkpoints: CheckpointSeries, event: EngineEvent & { type: 'checkpoint' }): void {
  const of = checkpoints.byMode[event.mode] ?? { tried: 0, failed: 0, seconds: 0 };
  checkpoints.byMode[event.mode] = of;
  of.tried += 1;
  of.seconds += event.durationMs / 1000;
  if (event.error !== undefined) {
    of.failed += 1;
    return;
  }
  checkpoints.writeLock ??= new Histogram(WRITE_LOCK_BOUNDS);
  checkpoints.writeLock.observe(event.writeLockMs / 1000);
}
