/** Things that happen between the local log and one replica, told upward. */

import type { TXID } from '../../formats/ltx/txid.ts';
import type { Failure } from './failures.ts';

export type UploadEvent =
  /** A file is at the replica; `at` in ms since the epoch. */
  | { readonly type: 'uploaded'; readonly txid: TXID; readonly size: number; readonly durationMs: number; readonly at: number }
  /** The page size of the files changes with this one. */
  | { readonly type: 'page-size'; readonly txid: TXID }
  /** A round failed. */
  | ({ readonly type: 'failed' } & Failure)
  /** The first round that succeeds after failures. */
  | { readonly type: 'recovered'; readonly attempts: number }
  /** The replica is further than the local log, or holds another history up to `floor`: the engine has to go on with a full file at `floor` + 1. */
  | { readonly type: 'ahead'; readonly floor: TXID }
  /** The local file of `needed` is gone or continues another history: this replica needs a snapshot before it can be continued. Followed by `failed`. */
  | { readonly type: 'gap'; readonly needed: TXID };
