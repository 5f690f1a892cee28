/** A write transaction without writes: while it stands, no commit can happen anywhere. */

import type { Clock } from '../base/clock.ts';
import type { Connection } from './connection.ts';
import { sqliteCode, sqliteError } from './errors.ts';

/** Pauses between attempts, ms; the last one repeats. As SQLite's own busy handler, but without blocking the thread. */
const PAUSES = [1, 2, 5, 10, 15, 20, 25] as const;

/** Attempts in a row before each pause: a writer that commits without a pause leaves gaps of microseconds, which one attempt every few ms never meets. */
const BURST = 20;

export class WriteBarrier {
  readonly #connection: Connection;
  readonly #clock: Clock;
  #raisedAt: number | undefined;

  /** `connection` must have a busy timeout of 0. */
  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  get isRaised(): boolean {
    return this.#raisedAt !== undefined;
  }

  /** Tries for `timeoutMs`; false when writers kept us out for that long. */
  async raise(timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    const deadline = this.#clock.monotonic() + timeoutMs;
    for (let attempt = 0; ; attempt++) {
      for (let attempts = 0; attempts < BURST; attempts++) if (this.#tryRaise()) return true;
      const pause = PAUSES[Math.min(attempt, PAUSES.length - 1)] ?? 25;
      if (this.#clock.monotonic() + pause > deadline) return false;
      await this.#clock.sleep(pause, signal === undefined ? {} : { signal });
    }
  }

  /** Ends the transaction and returns how long it kept writers out, ms; 0 when it was not raised. */
  lower(): number {
    if (this.#raisedAt === undefined) return 0;
    if (this.#connection.isOpen && this.#connection.inTransaction) this.#connection.exec('ROLLBACK');
    const held = this.#clock.monotonic() - this.#raisedAt;
    this.#raisedAt = undefined;
    return held;
  }

  #tryRaise(): boolean {
    try {
      this.#connection.exec('BEGIN IMMEDIATE');
    } catch (error) {
      if (sqliteCode(error)?.startsWith('SQLITE_BUSY')) return false;
      throw sqliteError(error, `beginning a write transaction on ${this.#connection.path}`);
    }
    this.#raisedAt = this.#clock.monotonic();
    return true;
  }
}
