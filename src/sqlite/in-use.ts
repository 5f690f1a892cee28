/** Whether any other connection has a database open, found out without changing it. */

import { existsSync, rmSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { sqliteCode, sqliteError } from './errors.ts';

/** How long a passing lock may stand before it counts, ms. */
const PATIENCE_MS = 250;

/**
 * True when another connection holds a lock on the database, be it only the shared one of an idle connection in WAL mode.
 *
 * Takes SQLite's exclusive locks and keeps them: closing would checkpoint and delete the WAL. So call this in a process of its own
 * that ends by being killed, and never in one that has the database open (file-descriptor rule). What is not a SQLite database is not in use.
 */
export function isInUse(path: string): boolean {
  const wal = `${path}-wal`;
  const hadWAL = existsSync(wal);
  try {
    const db = new Database(path, { fileMustExist: true, timeout: PATIENCE_MS });
    // Before anything is read: only then the first read takes the exclusive lock of the file itself, and no -shm file is made.
    db.pragma('locking_mode = EXCLUSIVE');
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
    db.exec('BEGIN EXCLUSIVE');
    // Looking makes an empty WAL where there is none. Under our lock nobody else can have opened it.
    if (!hadWAL && statSync(wal, { throwIfNoEntry: false })?.size === 0) rmSync(wal);
    return false;
  } catch (error) {
    const { code } = sqliteError(error, path);
    if (code === 'DB_BUSY') return true;
    if (code === 'DB_CORRUPT' || code === 'DB_INVALID') return false;
    throw sqliteError(error, `finding out whether ${path} is in use (${sqliteCode(error)})`);
  }
}
