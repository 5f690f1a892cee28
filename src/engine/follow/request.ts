/** What following a replica is asked to do, and what it says while it does. Plain data: crosses threads. */

import type { ErrorData } from '../../base/errors.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import type { IntegrityLevel } from '../restore/restore.ts';

export interface FollowRequest {
  /** Absolute path of the copy. Missing parents are created. */
  readonly output: string;
  /** Distance between two looks at the replica, ms > 0. */
  readonly intervalMs: number;
  /** SQLite's own check of the first copy before it is published. */
  readonly integrity: IntegrityLevel;
  /** Permission bits of the copy, default 0600. */
  readonly mode?: number;
  /** Used as in restores. */
  readonly token?: string;
}

/** How the copy came to where it is. */
export type FollowNote =
  /** The copy was there and goes on from `txid`, the newest state it holds for certain. */
  | { readonly type: 'resumed'; readonly txid: TXID }
  /** A first copy was made. Times in ms since the epoch. */
  | ({ readonly type: 'restored' } & Applied)
  /** Changes were applied to the copy. */
  | ({ readonly type: 'applied'; readonly from: TXID } & Applied)
  /** The copy was brought to the newest state as a whole, because its own state leads there no more. */
  | ({ readonly type: 'rebased'; readonly from: TXID | undefined; readonly reason: RebaseReason } & Applied)
  /** Everything that the replica holds is applied; told once after each change and each failure. */
  | { readonly type: 'current'; readonly txid: TXID }
  /** Readers keep the copy; told once per wait. */
  | { readonly type: 'busy'; readonly txid: TXID | undefined }
  /** A round failed; the next one comes in `retryInMs`. Told each time. */
  | { readonly type: 'failing'; readonly error: ErrorData; readonly retryInMs: number };

export interface Applied {
  readonly txid: TXID;
  /** Time of the newest file, ms since the epoch. */
  readonly time: number;
  readonly files: number;
  /** Bytes read from the replica. */
  readonly bytes: number;
  /** Pages that were written to the copy. */
  readonly pages: number;
  readonly durationMs: number;
}

export type RebaseReason =
  /** The files between the copy and the newest state are gone. */
  | 'pruned'
  /** It cannot be shown any more that the copy is of the replica's history. */
  | 'unproven'
  /** It is not known which state the copy holds. */
  | 'unknown-state'
  | 'page-size';
