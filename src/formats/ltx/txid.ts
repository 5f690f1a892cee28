/** Transaction ids: unsigned 64-bit, 16 lower-case hex digits in every text (decision 12; docs/formats/ltx.md, Names). */

import { LitestreamError } from '../../base/errors.ts';

declare const txidBrand: unique symbol;
export type TXID = bigint & { readonly [txidBrand]: true };

const MAX = 0xffff_ffff_ffff_ffffn;

export const NO_TXID = 0n as TXID;

/** Brands a number as TXID. Throws USAGE outside 0 … 2^64 − 1. */
export function toTXID(value: bigint | number): TXID {
  const id = BigInt(value);
  if (id < 0n || id > MAX) throw new LitestreamError('USAGE', `transaction id ${id} is outside 0 to 2^64 - 1`);
  return id as TXID;
}

export const nextTXID = (txid: TXID): TXID => toTXID(txid + 1n);

/** 16 lower-case hex digits. */
export const formatTXID = (txid: TXID): string => txid.toString(16).padStart(16, '0');

/** Parses 1 to 16 hex digits; throws USAGE otherwise. */
export function parseTXID(text: string): TXID {
  if (!/^[0-9a-fA-F]{1,16}$/.test(text)) {
    throw new LitestreamError('USAGE', `"${text}" is not a transaction id`, {
      hint: 'A transaction id is 1 to 16 hex digits, such as 00000000000000a4.',
    });
  }
  return BigInt(`0x${text}`) as TXID;
}
