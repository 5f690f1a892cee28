/** One connection to a database, set up so that it never checkpoints by itself. */

import Database from 'better-sqlite3';
import { sqliteError } from './errors.ts';

/** Pages a connection may keep: it reads next to nothing, and there are several per database. */
const CACHE_KIB = 64;

export interface ConnectionOptions {
  readonly path: string;
  readonly readonly?: boolean;
  /** How long a statement waits, blocking this thread, for locks of others; ms. */
  readonly busyTimeoutMs: number;
}

type Value = string | number | bigint | null | Uint8Array;

export class Connection {
  readonly path: string;
  readonly #db: Database.Database;
  readonly #statements = new Map<string, Database.Statement<Value[], Record<string, Value>>>();

  /** Opens an existing file or, when not read-only, creates it. Throws as sqliteError. */
  constructor(options: ConnectionOptions) {
    const { path, readonly = false, busyTimeoutMs } = options;
    this.path = path;
    let db: Database.Database | undefined;
    try {
      db = new Database(path, { readonly, fileMustExist: readonly, timeout: busyTimeoutMs });
      // Before anything else: a connection that has the default would checkpoint behind our back.
      db.pragma('wal_autocheckpoint = 0');
      db.pragma(`cache_size = -${CACHE_KIB}`);
    } catch (error) {
      db?.close();
      throw sqliteError(error, `opening ${path}`);
    }
    this.#db = db;
  }

  get isOpen(): boolean {
    return this.#db.open;
  }

  get inTransaction(): boolean {
    return this.#db.inTransaction;
  }

  /** Runs statements without results. Throws what the binding throws: the caller knows what it was doing. */
  exec(sql: string): void {
    this.#db.exec(sql);
  }

  /** First row of a query. The statement is kept prepared. */
  row(sql: string, ...values: Value[]): Record<string, Value> | undefined {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare<Value[], Record<string, Value>>(sql);
      this.#statements.set(sql, statement);
    }
    return statement.get(...values);
  }

  /** Rows of a query that is asked once, as they come. */
  rows(sql: string): IterableIterator<Record<string, Value>> {
    return this.#db.prepare<Value[], Record<string, Value>>(sql).iterate();
  }

  setBusyTimeout(ms: number): void {
    this.#db.pragma(`busy_timeout = ${Math.max(0, Math.trunc(ms))}`);
  }

  /** Closes; an open transaction is rolled back. Safe to call twice. */
  close(): void {
    this.#statements.clear();
    this.#db.close();
  }
}
