/** One LTX file of a replica, as a listing shows it. */

import type { TXID } from '../formats/ltx/txid.ts';

/** 0 raw, 1…8 compacted, 9 snapshots. */
export type Level = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

export const LEVELS: readonly Level[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
export const SNAPSHOT_LEVEL: Level = 9;

export interface FileInfo {
  readonly level: Level;
  readonly minTXID: TXID;
  readonly maxTXID: TXID;
  /** Bytes. */
  readonly size: number;
  /** ms since the epoch. */
  readonly createdAt: number;
}
