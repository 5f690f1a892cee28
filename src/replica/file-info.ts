/** One LTX file of a replica, as a listing shows it. */

import { formatTXID, type TXID } from '../formats/ltx/txid.ts';

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

/** Listed sizes below this cannot be LTX files: the header alone is longer. Bytes. */
export const MIN_FILE_SIZE = 100;

/** Level and range of a file as one word. */
export const fileKey = ({ level, minTXID, maxTXID }: FileInfo): string => `${level}/${minTXID}-${maxTXID}`;

/** A file as words in a message: level and range. */
export function describeFile(file: FileInfo): string {
  return `level ${file.level} file ${formatTXID(file.minTXID)}-${formatTXID(file.maxTXID)}`;
}

/** The order of listings: minTXID, then maxTXID. */
export function byRange(a: FileInfo, b: FileInfo): number {
  if (a.minTXID !== b.minTXID) return a.minTXID < b.minTXID ? -1 : 1;
  if (a.maxTXID !== b.maxTXID) return a.maxTXID < b.maxTXID ? -1 : 1;
  return a.level - b.level;
}
