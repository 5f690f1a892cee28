/** Where a database or replica stands: the last transaction and the database checksum after it (docs/formats/ltx.md, Names). */

import { LitestreamError } from '../../base/errors.ts';
import { type Checksum, formatChecksum, parseChecksum } from './checksum.ts';
import { formatTXID, parseTXID, type TXID } from './txid.ts';

export interface Position {
  readonly txid: TXID;
  /** NO_CHECKSUM in what Litestream writes. */
  readonly checksum: Checksum;
}

/** `txid/checksum`, 33 characters. */
export const formatPosition = (position: Position): string => `${formatTXID(position.txid)}/${formatChecksum(position.checksum)}`;

/** Parses what formatPosition writes; USAGE otherwise. */
export function parsePosition(text: string): Position {
  const match = /^([0-9a-f]{16})\/([0-9a-f]{16})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) throw new LitestreamError('USAGE', `"${text}" is not a position`);
  return { txid: parseTXID(match[1]), checksum: parseChecksum(match[2]) };
}
