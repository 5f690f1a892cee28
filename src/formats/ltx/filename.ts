/** Names of LTX files: `<minTXID>-<maxTXID>.ltx`, 16 lower-case hex digits each (docs/formats/ltx.md, Names). */

import { formatTXID, type TXID } from './txid.ts';

const NAME = /^([0-9a-f]{16})-([0-9a-f]{16})\.ltx$/;

export interface TXIDRange {
  readonly minTXID: TXID;
  readonly maxTXID: TXID;
}

export const formatLTXName = (range: TXIDRange): string => `${formatTXID(range.minTXID)}-${formatTXID(range.maxTXID)}.ltx`;

/** The range in a file name without its folder; undefined for any other name, which readers skip: temporary files, TXID 0, an end before the start. */
export function parseLTXName(name: string): TXIDRange | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const minTXID = BigInt(`0x${match[1]}`) as TXID;
  const maxTXID = BigInt(`0x${match[2]}`) as TXID;
  return minTXID === 0n || maxTXID < minTXID ? undefined : { minTXID, maxTXID };
}

/** True when a file of `range` continues a state at `previousMax`: it may overlap, it must not leave a gap and must bring something new. */
export const isContiguous = (previousMax: TXID, range: TXIDRange): boolean =>
  range.minTXID <= previousMax + 1n && range.maxTXID > previousMax;

/** Order in which files are applied: by first, then by last TXID. */
export function compareRanges(a: TXIDRange, b: TXIDRange): number {
  if (a.minTXID !== b.minTXID) return a.minTXID < b.minTXID ? -1 : 1;
  if (a.maxTXID !== b.maxTXID) return a.maxTXID < b.maxTXID ? -1 : 1;
  return 0;
}
