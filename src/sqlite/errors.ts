/** What SQLite's result codes mean to us. */

import Database from 'better-sqlite3';
import { type ErrorCode, LitestreamError } from '../base/errors.ts';

/** Primary result codes that have a meaning of their own; an extended code counts as its primary one. */
const MEANINGS: readonly (readonly [string, ErrorCode, string?])[] = [
  ['SQLITE_BUSY', 'DB_BUSY', 'Another program holds the database; it is tried again.'],
  ['SQLITE_LOCKED', 'DB_BUSY', 'Another program holds the database; it is tried again.'],
  ['SQLITE_PROTOCOL', 'DB_BUSY', 'Another program holds the database; it is tried again.'],
  ['SQLITE_FULL', 'DISK_FULL', 'Free space on the disk of the database.'],
  ['SQLITE_CORRUPT', 'DB_CORRUPT', 'Check the database with PRAGMA integrity_check, and restore it from the replica if it is damaged.'],
  ['SQLITE_NOTADB', 'DB_INVALID', 'Check that the path names a SQLite database that is complete and not encrypted.'],
  ['SQLITE_READONLY', 'ACCESS_DENIED', 'Replication needs write access to the database, its -wal and -shm files and their directory.'],
  ['SQLITE_CANTOPEN', 'ACCESS_DENIED', 'Check that the database, its -wal and -shm files and their directory can be read and written.'],
  ['SQLITE_PERM', 'ACCESS_DENIED', 'Check that the database and its directory can be read and written.'],
  ['SQLITE_AUTH', 'ACCESS_DENIED', 'Check that the database and its directory can be read and written.'],
];

/** Wraps what the binding threw. `doing` is what was being done to what. Anything unknown is DB_NOT_READY: I/O errors and the like may pass. */
export function sqliteError(error: unknown, doing: string): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const code = sqliteCode(error);
  const meaning = MEANINGS.find(([name]) => code === name || code?.startsWith(`${name}_`));
  const text = error instanceof Error ? error.message : String(error);
  const [, ours = 'DB_NOT_READY', hint] = meaning ?? [];
  return new LitestreamError(ours, `${doing}: ${text}`, {
    cause: error,
    ...(code === undefined ? {} : { details: { sqliteCode: code } }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Extended result code such as SQLITE_BUSY_SNAPSHOT; undefined when SQLite did not throw it. */
export function sqliteCode(error: unknown): string | undefined {
  return error instanceof Database.SqliteError ? error.code : undefined;
}
