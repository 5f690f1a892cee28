/** The long read transaction that keeps the WAL from being restarted while it holds frames that nobody has copied yet. */

import { LitestreamError } from '../base/errors.ts';
import { BOOKKEEPING_QUERY } from './bookkeeping.ts';
import type { Connection } from './connection.ts';
import { sqliteError } from './errors.ts';

/** Two read-only connections take turns, so that a newer transaction stands before the older one ends. */
export class ReadLock {
  #holder: Connection;
  #spare: Connection;

  constructor(first: Connection, second: Connection) {
    this.#holder = first;
    this.#spare = second;
  }

  /** SQLite rolled nothing back behind our back. */
  get isHeld(): boolean {
    return this.#holder.isOpen && this.#holder.inTransaction;
  }

  /** Begins the first transaction; does nothing when one stands. */
  acquire(): void {
    if (!this.isHeld) begin(this.#holder);
  }

  /**
   * Begins a transaction on the newest state and ends the older one. When `keep` says false with both standing, the newer one is ended instead
   * and false is returned. When the newer one cannot begin, the older one stands and the error is thrown.
   */
  renew(keep: () => boolean = () => true): boolean {
    begin(this.#spare);
    let kept = false;
    try {
      kept = keep();
    } finally {
      if (!kept) end(this.#spare);
    }
    if (!kept) return false;
    end(this.#holder);
    [this.#holder, this.#spare] = [this.#spare, this.#holder];
    return true;
  }

  /** Ends the transaction; safe to call at any time. */
  release(): void {
    end(this.#spare);
    end(this.#holder);
  }

  /** Throws INTERNAL when no transaction stands. */
  assertHeld(): void {
    if (!this.isHeld) throw new LitestreamError('INTERNAL', `the read transaction on ${this.#holder.path} is gone`);
  }
}

function begin(connection: Connection): void {
  try {
    connection.exec('BEGIN');
    // A deferred transaction has no lock before it has read something.
    connection.row(BOOKKEEPING_QUERY);
  } catch (error) {
    end(connection);
    throw sqliteError(error, `beginning a read transaction on ${connection.path}`);
  }
}

function end(connection: Connection): void {
  if (connection.isOpen && connection.inTransaction) connection.exec('ROLLBACK');
}
