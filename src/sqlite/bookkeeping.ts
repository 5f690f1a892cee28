/** The two tables that belong to every replicated database (docs/engine.md, Local state), and the write that starts a new WAL generation. */

import type { Connection } from './connection.ts';
import { sqliteCode, sqliteError } from './errors.ts';

const TABLES = `
  CREATE TABLE IF NOT EXISTS _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
  CREATE TABLE IF NOT EXISTS _litestream_lock (id INTEGER);`;

const BUMP = 'INSERT INTO _litestream_seq (id, seq) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET seq = seq + 1';

export const BOOKKEEPING_QUERY = 'SELECT count(*) AS n FROM _litestream_seq';

/** Creates the tables where they are missing; writes nothing where they exist. */
export function createBookkeepingTables(connection: Connection): void {
  try {
    const found = connection.row(
      `SELECT count(*) AS n FROM sqlite_schema WHERE type = 'table' AND name IN ('_litestream_seq', '_litestream_lock')`,
    );
    if (found?.n !== 2) connection.exec(TABLES);
  } catch (error) {
    throw sqliteError(error, `creating the bookkeeping tables of ${connection.path}`);
  }
}

/**
 * Commits one small write. After a complete backfill it restarts the WAL, otherwise it appends.
 * False when another writer was faster and kept us out: that writer's commit then does the same.
 */
export function bumpSequence(connection: Connection): boolean {
  try {
    connection.exec(BUMP);
    return true;
  } catch (error) {
    if (sqliteCode(error)?.startsWith('SQLITE_BUSY')) return false;
    throw sqliteError(error, `writing to the bookkeeping table of ${connection.path}`);
  }
}
