/** Makes the database of a plan of version 0.3 in one new file: the snapshot, then one WAL after the other. */

import { LitestreamError } from '../../base/errors.ts';
import { parseDatabaseHeader } from '../../formats/sqlite/database-header.ts';
import type { LegacySegment } from '../../replica/legacy/listing.ts';
import { diskError, type RestoreDisk } from '../restore/disk.ts';
import type { OnRestoreProgress } from '../restore/progress.ts';
import type { Stopwatch } from '../restore/time-shares.ts';
import { type LegacySource, readLegacyFile } from './open-file.ts';
import type { LegacyPlan } from './plan.ts';
import { type LegacyDatabase, WALStage } from './wal-stage.ts';

const HEADER_BYTES = 100;

export interface LegacyRebuildTools {
  readonly source: LegacySource;
  /** `AGE-SECRET-KEY-…` lines. */
  readonly identities: readonly string[];
  readonly disk: RestoreDisk;
  readonly stopwatch: Stopwatch;
  readonly signal: AbortSignal;
  readonly onProgress: OnRestoreProgress;
}

export interface LegacyRebuilt {
  readonly plan: LegacyPlan;
  readonly pageSize: number;
  readonly pages: number;
  readonly filesRead: number;
  readonly bytesRead: number;
}

/**
 * Writes the database to the new file `path` and makes it durable. Disk use beside it: one uncompressed WAL.
 * Throws LEGACY_INVALID, IDENTITY_REQUIRED, DISK_FULL and what the store throws. The caller removes `path` after a failure.
 */
export async function rebuildLegacy(path: string, plan: LegacyPlan, tools: LegacyRebuildTools): Promise<LegacyRebuilt> {
  const { disk, stopwatch } = tools;
  const fd = attempt(`creating ${path}`, () => disk.create(path));
  try {
    const database: LegacyDatabase = { fd, pageSize: 0, size: 0 };
    const read = reader(plan, database, tools);
    await stopwatch.measureAsync('read', () => fetchSnapshot(plan, database, read.file, tools));
    await stopwatch.measureAsync('read', () => applyWALs(path, plan, database, read.file, tools));
    checkResult(plan, database, tools);
    stopwatch.measure('fsync', () => attempt('making the restored database durable', () => disk.sync(fd)));
    const { pageSize, size } = database;
    return { plan, pageSize, pages: size / pageSize, filesRead: plan.totals.files, bytesRead: read.bytes() };
  } finally {
    disk.close(fd);
  }
}

type ReadFile = (file: { readonly key: string }) => AsyncIterable<Uint8Array>;

function reader(plan: LegacyPlan, database: LegacyDatabase, { source, identities, signal, onProgress }: LegacyRebuildTools) {
  let bytesRead = 0;
  const onBytes = (bytes: number): void => {
    bytesRead += bytes;
    const pages = database.pageSize === 0 ? 0 : database.size / database.pageSize;
    onProgress({ phase: 'fetch', bytesRead, bytesTotal: plan.totals.bytes, pagesWritten: pages, pagesTotal: pages });
  };
  const file: ReadFile = (wanted) => readLegacyFile(wanted, { source, identities, signal, onBytes });
  return { file, bytes: () => bytesRead };
}

async function fetchSnapshot(plan: LegacyPlan, database: LegacyDatabase, read: ReadFile, { disk }: LegacyRebuildTools): Promise<void> {
  for await (const piece of read(plan.snapshot)) {
    attempt('writing the restored database', () => disk.write(database.fd, piece, database.size));
    database.size += piece.length;
  }
  // A database that had nothing but its WAL when the snapshot was taken.
  if (database.size > 0) database.pageSize = pageSizeOf(plan, database, disk);
}

async function applyWALs(
  path: string,
  plan: LegacyPlan,
  database: LegacyDatabase,
  read: ReadFile,
  { disk, signal }: LegacyRebuildTools,
): Promise<void> {
  if (plan.segments.length === 0) return;
  const stage = new WALStage({ disk, path: `${path}-segments`, generation: plan.generation, signal, read });
  try {
    for (const segments of byIndex(plan.segments)) await stage.apply(segments, database);
  } finally {
    stage.close();
  }
}

function checkResult(plan: LegacyPlan, database: LegacyDatabase, { disk }: LegacyRebuildTools): void {
  if (database.size < HEADER_BYTES) throw damagedSnapshot(plan, 'nothing of a database is in it or behind it');
  const pageSize = pageSizeOf(plan, database, disk);
  if (pageSize !== database.pageSize) throw damagedSnapshot(plan, `its header names pages of ${pageSize} bytes`);
}

/** What the header of the database says, which must fit the length of the file. */
function pageSizeOf(plan: LegacyPlan, { fd, size }: LegacyDatabase, disk: RestoreDisk): number {
  if (size < HEADER_BYTES) throw damagedSnapshot(plan, `it holds only ${size} bytes`);
  const header = new Uint8Array(HEADER_BYTES);
  attempt('reading the restored database', () => disk.read(fd, header, 0));
  const pageSize = pageSizeIn(plan, header);
  if (size % pageSize !== 0) throw damagedSnapshot(plan, `its ${size} bytes are not whole pages of ${pageSize}`);
  return pageSize;
}

function pageSizeIn(plan: LegacyPlan, header: Uint8Array): number {
  try {
    return parseDatabaseHeader(header).pageSize;
  } catch (error) {
    throw damagedSnapshot(plan, 'it is not a SQLite database', error);
  }
}

function damagedSnapshot({ snapshot }: LegacyPlan, what: string, cause?: unknown): LitestreamError {
  return new LitestreamError('LEGACY_INVALID', `restoring data of version 0.3: snapshot ${snapshot.key} is damaged: ${what}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { file: snapshot.key },
    hint: 'Restore a state that begins with another snapshot (`litestream snapshots`).',
  });
}

function byIndex(segments: readonly LegacySegment[]): LegacySegment[][] {
  return [...Map.groupBy(segments, ({ index }) => index).values()];
}

function attempt<T>(doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskError(error, doing);
  }
}
