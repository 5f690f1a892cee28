/** Things that happen to one database, told upward. Metrics, health and logs listen; nothing below waits for them. */

import type { ErrorData } from '../base/errors.ts';
import type { TXID } from '../formats/ltx/txid.ts';

/** Life of the engine's side of a database. */
export type EngineState =
  /** The database file is not there yet. */
  | 'waiting'
  | 'starting'
  | 'replicating'
  /** The last pass failed; retried with back-off. */
  | 'failing'
  /** Closed while nobody writes (docs/engine.md, Cold databases). */
  | 'cold'
  | 'stopped';

export type EngineEvent =
  | { readonly type: 'state'; readonly state: EngineState; readonly error?: ErrorData }
  /** A level-0 file was published. Times in ms since the epoch, durations in ms. */
  | {
      readonly type: 'synced';
      readonly txid: TXID;
      readonly at: number;
      readonly size: number;
      readonly pages: number;
      /** Why every page was written; absent for an increment. */
      readonly fullReason?: string;
      readonly walBytes: number;
    }
  /** A pass over the WAL ended, with or without a file. */
  | {
      readonly type: 'pass';
      readonly durationMs: number;
      readonly dbSize: number;
      readonly walOffset: number;
      readonly error?: ErrorData;
      readonly diskFull: boolean;
    }
  | {
      readonly type: 'checkpoint';
      readonly mode: 'PASSIVE' | 'TRUNCATE';
      readonly durationMs: number;
      /** How long our own write transaction kept writers out. */
      readonly writeLockMs: number;
      /** Every frame reached the database file. */
      readonly complete: boolean;
      readonly error?: ErrorData;
    };
