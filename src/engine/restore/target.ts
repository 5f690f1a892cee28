/** What a restore is asked to reach. */

import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';

export type RestoreTarget =
  /** The newest state the replica holds. */
  | { readonly type: 'latest' }
  /** The state after exactly this transaction. */
  | { readonly type: 'txid'; readonly txid: TXID }
  /** The state just before this instant (ms since the epoch): only files created strictly earlier count. */
  | { readonly type: 'timestamp'; readonly timestamp: number };

export const LATEST: RestoreTarget = { type: 'latest' };

/** The target as words in a message, such as `TXID 00000000000000a4`. */
export function describeTarget(target: RestoreTarget): string {
  switch (target.type) {
    case 'latest':
      return 'the newest state';
    case 'txid':
      return `TXID ${formatTXID(target.txid)}`;
    case 'timestamp':
      return `the state before ${new Date(target.timestamp).toISOString()}`;
  }
}
