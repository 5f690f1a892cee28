/** Where the newest level-0 file ends: the point from which the next one continues. */

import type { LTXHeader } from '../../formats/ltx/header.ts';
import type { TXID } from '../../formats/ltx/txid.ts';

export interface Cursor {
  readonly txid: TXID;
  /** Creation time of the file, ms since the epoch. */
  readonly timestamp: number;
  /** Bytes. */
  readonly pageSize: number;
  /** Database size in pages after the file. */
  readonly commit: number;
  /** The range of the WAL that the file holds, and the generation it belongs to. */
  readonly walOffset: number;
  readonly walSize: number;
  readonly salt1: number;
  readonly salt2: number;
  /** Running WAL checksum at the end of the range; undefined when there are no frames in it or the file was not written by this process. */
  readonly checksum: readonly [number, number] | undefined;
}

/** File offset behind the last captured frame. */
export const cursorEnd = (cursor: Cursor): number => cursor.walOffset + cursor.walSize;

export const cursorOf = (header: LTXHeader): Cursor => ({
  txid: header.maxTXID,
  timestamp: header.timestamp,
  pageSize: header.pageSize,
  commit: header.commit,
  walOffset: header.walOffset,
  walSize: header.walSize,
  salt1: header.walSalt1,
  salt2: header.walSalt2,
  checksum: undefined,
});

/** The LTX header that a cursor stands for, without its minTXID. */
export const headerOf = (cursor: Cursor) => ({
  pageSize: cursor.pageSize,
  commit: cursor.commit,
  maxTXID: cursor.txid,
  timestamp: cursor.timestamp,
  walOffset: cursor.walOffset,
  walSize: cursor.walSize,
  walSalt1: cursor.salt1,
  walSalt2: cursor.salt2,
});
