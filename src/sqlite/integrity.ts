/** SQLite's own consistency checks on a file that nobody else uses. */

import { Connection } from './connection.ts';
import { sqliteError } from './errors.ts';

export interface IntegrityResult {
  readonly ok: boolean;
  /** What SQLite complained about, first line only; undefined when it is well. */
  readonly problem?: string;
}

/**
 * Runs quick_check or integrity_check. Blocks the thread for as long as it takes.
 *
 * The file is opened for writing, because a database in WAL mode cannot be read without; -wal and -shm files that this creates are gone
 * when it returns, provided that nobody else has the file open.
 */
export function checkIntegrity(path: string, kind: 'quick' | 'full'): IntegrityResult {
  let connection: Connection | undefined;
  try {
    connection = new Connection({ path, busyTimeoutMs: 1000 });
    const row = connection.row(kind === 'quick' ? 'PRAGMA quick_check(1)' : 'PRAGMA integrity_check(1)');
    const answer = String(Object.values(row ?? {})[0] ?? 'no answer');
    return answer === 'ok' ? { ok: true } : { ok: false, problem: answer };
  } catch (error) {
    const wrapped = sqliteError(error, `checking ${path}`);
    if (wrapped.code === 'DB_CORRUPT' || wrapped.code === 'DB_INVALID') return { ok: false, problem: wrapped.message };
    throw wrapped;
  } finally {
    connection?.close();
  }
}
