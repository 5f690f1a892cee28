/** Puts a database into WAL mode, or says why it cannot be. */

import { LitestreamError } from '../base/errors.ts';
import type { Connection } from './connection.ts';
import { sqliteError } from './errors.ts';

/** Switches to WAL if needed. DB_NOT_WAL when SQLite answers with another mode, DB_BUSY while others hold the database. */
export function requireWAL(connection: Connection): void {
  const doing = `switching ${connection.path} to WAL mode`;
  let mode: unknown;
  try {
    mode = connection.row('PRAGMA journal_mode = wal')?.journal_mode;
  } catch (error) {
    throw sqliteError(error, doing);
  }
  if (mode === 'wal') return;
  throw new LitestreamError('DB_NOT_WAL', `${doing}: SQLite keeps it in ${String(mode)} mode`, {
    details: { journalMode: String(mode) },
    hint: 'WAL needs a local file system with shared memory and a database that was not opened in exclusive locking mode.',
  });
}
