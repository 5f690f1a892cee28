/** Checksums of LTX: CRC-64/ISO with bit 63 set, 16 hex digits in text (docs/formats/ltx.md, Checksums). */

import { LitestreamError } from '../../base/errors.ts';

declare const checksumBrand: unique symbol;
export type Checksum = bigint & { readonly [checksumBrand]: true };

const MASK = 0xffff_ffff_ffff_ffffn;

/** Set in every checksum that is present. */
export const CHECKSUM_FLAG = (1n << 63n) as Checksum;
/** What stands where no checksum is kept, as in everything that Litestream writes. */
export const NO_CHECKSUM = 0n as Checksum;

/** Brands 64 bits as a checksum; LTX_INVALID outside 0 … 2^64 − 1. */
export function toChecksum(value: bigint): Checksum {
  if (value < 0n || value > MASK) throw new LitestreamError('LTX_INVALID', `checksum ${value} has more than 64 bits`);
  return value as Checksum;
}

/** A finished CRC as a checksum: bit 63 marks it as present. */
export const fromCRC = (crc: bigint): Checksum => (crc | CHECKSUM_FLAG) as Checksum;

/** Carries a database checksum on by one page checksum; taking a page out is the same as putting it in. Begin with CHECKSUM_FLAG. */
export const rollChecksum = (sum: Checksum, page: Checksum): Checksum => ((sum ^ page) | CHECKSUM_FLAG) as Checksum;

/** 16 lower-case hex digits. */
export const formatChecksum = (checksum: Checksum): string => checksum.toString(16).padStart(16, '0');

/** Parses exactly 16 hex digits; LTX_INVALID otherwise. */
export function parseChecksum(text: string): Checksum {
  if (!/^[0-9a-fA-F]{16}$/.test(text)) throw new LitestreamError('LTX_INVALID', `"${text}" is not a checksum of 16 hex digits`);
  return BigInt(`0x${text}`) as Checksum;
}
