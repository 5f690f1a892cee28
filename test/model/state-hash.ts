/** One hash over everything an application put into a database: its schema and every row, without the replication's own two tables. */

import { createHash } from 'node:crypto';
import type Database from 'better-sqlite3';

interface SchemaRow {
  readonly type: string;
  readonly name: string;
  readonly sql: string | null;
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

export function stateHash(db: Database.Database): string {
  const hash = createHash('sha256');
  const objects = db
    .prepare<[], SchemaRow>(
      `SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE '\\_litestream\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name`,
    )
    .all();
  for (const { type, name, sql } of objects) {
    hash.update(`${type}\0${name}\0${sql ?? ''}\0`);
    if (type !== 'table') continue;
    const rows = db
      .prepare(`SELECT rowid, * FROM ${quote(name)} ORDER BY rowid`)
      .raw()
      .safeIntegers();
    for (const row of rows.iterate() as IterableIterator<unknown[]>) {
      for (const cell of row) addCell(hash, cell);
    }
  }
  return hash.digest('hex');
}

function addCell(hash: ReturnType<typeof createHash>, cell: unknown): void {
  if (Buffer.isBuffer(cell)) {
    hash.update(`b${cell.length}:`);
    hash.update(cell);
  } else {
    const text = String(cell);
    hash.update(`${typeof cell}${text.length}:${text}`);
  }
}
