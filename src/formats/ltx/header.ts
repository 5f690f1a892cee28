/** The first 100 bytes of an LTX file (docs/formats/ltx.md, Header). */

import { isZero, viewOf } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import { isPageSize } from '../sqlite/page-size.ts';
import { CHECKSUM_FLAG, type Checksum, NO_CHECKSUM } from './checksum.ts';
import { formatTXID, type TXID } from './txid.ts';

export const LTX_HEADER_SIZE = 100;

const MAGIC = 0x4c54_5831;
const NO_CHECKSUM_FLAG = 0x2;
/** Set by variant v1 for a compressed page block. */
const V1_COMPRESSED_FLAG = 0x1;

export interface LTXHeader {
  /** The file keeps no database checksums; always so in what Litestream and we write. */
  readonly noChecksum: boolean;
  /** Bytes. */
  readonly pageSize: number;
  /** Database size in pages after applying the file. */
  readonly commit: number;
  readonly minTXID: TXID;
  readonly maxTXID: TXID;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** Database checksum before the file; NO_CHECKSUM with `noChecksum` and in snapshots. */
  readonly preApplyChecksum: Checksum;
  /** Where the captured range begins in the WAL, in bytes; 0 when the file is not from a WAL. */
  readonly walOffset: number;
  /** Captured bytes of WAL. */
  readonly walSize: number;
  readonly walSalt1: number;
  readonly walSalt2: number;
  /** 0 in Litestream. */
  readonly nodeID: bigint;
}

/** What a writer has to say; the rest has the values that Litestream writes. */
export type LTXHeaderInit = Pick<LTXHeader, 'pageSize' | 'commit' | 'minTXID' | 'maxTXID' | 'timestamp'> & Partial<LTXHeader>;

/** A complete header; not validated. */
export const makeHeader = (init: LTXHeaderInit): LTXHeader => ({
  noChecksum: true,
  preApplyChecksum: NO_CHECKSUM,
  walOffset: 0,
  walSize: 0,
  walSalt1: 0,
  walSalt2: 0,
  nodeID: 0n,
  ...init,
});

/** A file from TXID 1 holds every page of the database. */
export const isSnapshot = (header: Pick<LTXHeader, 'minTXID'>): boolean => header.minTXID === 1n;

/** For messages: `…0001-…0001` as in file names. */
export const describeRange = (header: Pick<LTXHeader, 'minTXID' | 'maxTXID'>): string =>
  `${formatTXID(header.minTXID)}-${formatTXID(header.maxTXID)}`;

/** Reads and validates a header. LTX_TRUNCATED with fewer than 100 bytes, LTX_INVALID naming the offset otherwise. The reserved bytes are not looked at. */
export function decodeHeader(bytes: Uint8Array): LTXHeader {
  if (bytes.length < LTX_HEADER_SIZE) {
    throw new LitestreamError('LTX_TRUNCATED', `reading an LTX header: the file ends after ${bytes.length} of ${LTX_HEADER_SIZE} bytes`, {
      details: { offset: bytes.length },
    });
  }
  const view = viewOf(bytes);
  if (view.getUint32(0) !== MAGIC) throw invalid(0, isZero(bytes) ? 'it is all zero bytes' : 'the magic is not "LTX1"');
  const flags = view.getUint32(4);
  if ((flags & V1_COMPRESSED_FLAG) !== 0)
    throw invalid(4, 'the file is of variant v1 (LiteFS, compressed page block), which is not supported');
  if ((flags & ~NO_CHECKSUM_FLAG) !== 0) throw invalid(4, `flags 0x${flags.toString(16)} are unknown`);
  const header: LTXHeader = {
    noChecksum: flags === NO_CHECKSUM_FLAG,
    pageSize: view.getUint32(8),
    commit: view.getUint32(12),
    minTXID: view.getBigUint64(16) as TXID,
    maxTXID: view.getBigUint64(24) as TXID,
    timestamp: safe(view.getBigInt64(32), 32, 'timestamp'),
    preApplyChecksum: view.getBigUint64(40) as Checksum,
    walOffset: safe(view.getBigInt64(48), 48, 'WAL offset'),
    walSize: safe(view.getBigInt64(56), 56, 'WAL size'),
    walSalt1: view.getUint32(64),
    walSalt2: view.getUint32(68),
    nodeID: view.getBigUint64(72),
  };
  validateHeader(header);
  return header;
}

/** The 100 bytes of a header, reserved bytes zero. Throws as `validateHeader`. */
export function encodeHeader(header: LTXHeader): Uint8Array<ArrayBuffer> {
  validateHeader(header);
  const bytes = new Uint8Array(LTX_HEADER_SIZE);
  const view = viewOf(bytes);
  view.setUint32(0, MAGIC);
  view.setUint32(4, header.noChecksum ? NO_CHECKSUM_FLAG : 0);
  view.setUint32(8, header.pageSize);
  view.setUint32(12, header.commit);
  view.setBigUint64(16, header.minTXID);
  view.setBigUint64(24, header.maxTXID);
  view.setBigInt64(32, BigInt(header.timestamp));
  view.setBigUint64(40, header.preApplyChecksum);
  view.setBigInt64(48, BigInt(header.walOffset));
  view.setBigInt64(56, BigInt(header.walSize));
  view.setUint32(64, header.walSalt1);
  view.setUint32(68, header.walSalt2);
  view.setBigUint64(72, header.nodeID);
  return bytes;
}

/** Checks every rule that concerns the header alone. LTX_INVALID with the offset of the field. */
function validateHeader(header: LTXHeader): void {
  const { pageSize, commit, minTXID, maxTXID, timestamp, walOffset, walSize } = header;
  if (!isPageSize(pageSize)) throw invalid(8, `page size ${pageSize} is not a page size of SQLite`);
  if (!isUint32(commit)) throw invalid(12, `commit ${commit} is not a number of pages`);
  if (commit === 0 && header.noChecksum) throw invalid(12, 'commit is 0');
  if (minTXID < 1n) throw invalid(16, 'minTXID is 0');
  if (maxTXID < minTXID) throw invalid(24, `maxTXID ${formatTXID(maxTXID)} is before minTXID ${formatTXID(minTXID)}`);
  if (!Number.isSafeInteger(timestamp)) throw invalid(32, `timestamp ${timestamp} is not in milliseconds`);
  validatePreApplyChecksum(header);
  if (!isSize(walOffset)) throw invalid(48, `WAL offset ${walOffset} is negative or too large`);
  if (!isSize(walSize)) throw invalid(56, `WAL size ${walSize} is negative or too large`);
  if (walOffset === 0 && walSize !== 0) throw invalid(56, `WAL size ${walSize} without a WAL offset`);
  if (walOffset === 0 && (header.walSalt1 !== 0 || header.walSalt2 !== 0)) throw invalid(64, 'WAL salts without a WAL offset');
  if (!isUint32(header.walSalt1) || !isUint32(header.walSalt2)) throw invalid(64, 'a WAL salt does not have 32 bits');
}

function validatePreApplyChecksum(header: LTXHeader): void {
  const sum = header.preApplyChecksum;
  if (isSnapshot(header) && sum !== NO_CHECKSUM) throw invalid(40, 'a snapshot has a pre-apply checksum');
  if (header.noChecksum && sum !== NO_CHECKSUM) throw invalid(40, 'a pre-apply checksum in a file without checksums');
  if (!header.noChecksum && !isSnapshot(header) && (sum & CHECKSUM_FLAG) === 0n) throw invalid(40, 'the pre-apply checksum is missing');
}

const isUint32 = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

function safe(value: bigint, offset: number, name: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw invalid(offset, `${name} ${value} is out of range`);
  return number;
}

function invalid(offset: number, reason: string): LitestreamError {
  return new LitestreamError('LTX_INVALID', `reading or writing an LTX header: ${reason} (offset ${offset})`, { details: { offset } });
}
