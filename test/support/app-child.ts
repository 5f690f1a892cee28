/** The application in a process of its own: runs what app-process.ts sends, with SQLite connections that stay open between commands. */

import { createHash } from 'node:crypto';
import Database from 'better-sqlite3';

export interface AppContext {
  /** Opens (or reuses) the connection called `name`. */
  open(name?: string, path?: string, options?: Database.Options): Database.Database;
  /** The connection called `name`, `main` by default. */
  db(name?: string): Database.Database;
  close(name?: string): void;
  closeAll(): void;
  /** Hash of all rows of all tables, and whether the file is in order. */
  digest(name?: string): string;
  /** Digest of a database file that nobody has open; the bytes must not change. */
  digestFile(path: string): string;
}

const defaultPath = process.argv[2] ?? '';
const connections = new Map<string, Database.Database>();

const context: AppContext = {
  open(name = 'main', path = defaultPath, options = {}) {
    let db = connections.get(name);
    if (db === undefined) {
      db = new Database(path, { timeout: 5000, ...options });
      connections.set(name, db);
    }
    return db;
  },
  db(name = 'main') {
    const db = connections.get(name);
    if (db === undefined) throw new Error(`no connection ${name}`);
    return db;
  },
  close(name = 'main') {
    connections.get(name)?.close();
    connections.delete(name);
  },
  closeAll() {
    for (const name of connections.keys()) context.close(name);
  },
  digest: (name = 'main') => digest(context.db(name)),
  digestFile(path) {
    const db = new Database(path);
    try {
      const problems = db.pragma('integrity_check', { simple: true });
      if (problems !== 'ok') return `integrity_check: ${String(problems)}`;
      return digest(db);
    } finally {
      db.close();
    }
  },
};

function digest(db: Database.Database): string {
  const hash = createHash('sha256');
  const read = db.transaction(() => {
    const tables = db
      .prepare<[], { name: string; sql: string }>("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name")
      .all();
    for (const { name, sql } of tables) {
      // The bookkeeping counter moves by itself.
      if (name.startsWith('_litestream_')) continue;
      hash.update(`${name}\0${sql}\0`);
      for (const row of db.prepare(`SELECT rowid AS row_id, * FROM "${name}" ORDER BY rowid`).raw().iterate()) {
        for (const value of row as unknown[]) hash.update(Buffer.isBuffer(value) ? value : String(value)).update('\0');
      }
    }
  });
  read();
  return hash.digest('hex');
}

interface Command {
  readonly id: number;
  readonly source: string;
  readonly argument: unknown;
}

process.on('message', ({ id, source, argument }: Command) => {
  try {
    // The source is a function of our own test files.
    const work = new Function(`return (${source})`)() as (context: AppContext, argument: unknown) => unknown;
    process.send?.({ id, result: work(context, argument) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error), code: (error as { code?: string }).code });
  }
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });
