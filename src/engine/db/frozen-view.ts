/** One captured state of a live database, readable page by page for as long as it takes while writers and captures go on. */

import { LitestreamError } from '../../base/errors.ts';
import { sameSalts, WAL_HEADER_SIZE } from '../../formats/wal/header.ts';
import { isBackfilled } from '../../sqlite/checkpoint.ts';
import type { Capture } from './capture.ts';
import type { CheckpointLock } from './checkpoint-lock.ts';
import { type Cursor, cursorEnd } from './cursor.ts';
import type { LiveDatabase } from './live-database.ts';
import { PageSource } from './page-source.ts';
import type { WALFile } from './wal-file.ts';

export interface FrozenView {
  /** The state is exactly that of this position (docs/engine.md, Snapshots). */
  readonly cursor: Cursor;
  readonly source: PageSource;
  /** Lets checkpoints happen again. Safe to call twice. */
  release(): void;
}

/**
 * Captures everything and freezes the result. Runs inside the executor; the view stays good after that.
 *
 * The WAL is read up to the captured end only. What lies before it cannot be overwritten, and the database file cannot get ahead of it,
 * because our read transaction stays as it is while the checkpoint lock is shared. DB_BUSY while a checkpoint runs.
 */
export async function freeze(db: LiveDatabase, capture: Capture, lock: CheckpointLock, busyTimeoutMs: number): Promise<FrozenView> {
  const unlock = lock.tryShared();
  if (unlock === undefined) throw new LitestreamError('DB_BUSY', `copying ${db.path}: a checkpoint is running`);
  const wal = db.openWAL();
  const release = () => {
    unlock();
    wal.close();
  };
  try {
    return { ...(await capturePinned(db, capture, wal, busyTimeoutMs)), release };
  } catch (error) {
    release();
    throw error;
  }
}

async function capturePinned(
  db: LiveDatabase,
  capture: Capture,
  wal: WALFile,
  busyTimeoutMs: number,
): Promise<Omit<FrozenView, 'release'>> {
  for (let attempt = 0; attempt < 10; attempt++) {
    await capture.passAll();
    if (isBackfilled(db.walState())) {
      await db.pinWAL(busyTimeoutMs);
      continue;
    }
    wal.reopen();
    const { header } = capture.observe();
    const { cursor } = capture;
    // A restart between the pass and the look at the WAL: once more, it cannot happen again.
    if (cursor === undefined || header === undefined || !sameSalts(header, { salt1: cursor.salt1, salt2: cursor.salt2 })) continue;
    const map = wal.scan(header, WAL_HEADER_SIZE, { hardEnd: cursorEnd(cursor) });
    if (map === undefined || map.end !== cursorEnd(cursor) || map.commit !== cursor.commit) break;
    const { pageSize } = cursor;
    return {
      cursor,
      source: new PageSource({ pageSize, pages: map.pages, readWAL: wal.read, readDatabase: db.file.read, beyondEnd: 'zeros' }),
    };
  }
  throw new LitestreamError('DB_NOT_READY', `copying ${db.path}: its WAL does not hold still`);
}
