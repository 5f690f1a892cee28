/** The error of whoever waited in vain for a replica. */

import { type ErrorData, LitestreamError } from '../../base/errors.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';

export interface Missing {
  readonly files: number;
  readonly bytes: number;
  readonly isAhead: boolean;
  /** The failure that stands. */
  readonly last: ErrorData | undefined;
}

/** NOT_REPLICATED: what is missing at the replica called `name`, and why. */
export function notReplicated(name: string, target: TXID, { files, bytes, isAhead, last }: Missing): LitestreamError {
  const reason = isAhead ? 'the replica is ahead of the local log' : `${files} files are missing there`;
  return new LitestreamError('NOT_REPLICATED', `TXID ${formatTXID(target)} has not reached replica ${name}: ${reason}`, {
    details: { target: formatTXID(target), files, bytes, ...(last === undefined ? {} : { last }) },
    ...(last === undefined ? {} : { cause: new Error(`${last.code}: ${last.message}`) }),
    hint: last?.hint ?? 'Give it more time, or look at `litestream status`.',
  });
}
