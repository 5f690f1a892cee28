/** What at a replica can be of this process: what reaches further is of another one that writes there, too. */

import { LitestreamError } from '../../base/errors.ts';
import { formatTXID, NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import type { Replica } from '../../replica/replica.ts';

/**
 * Before the first file was sent, a replica may be further for good reasons: a new machine, a lost metadata directory. Afterwards everything there is
 * a file of the local log or was made of such files, so that nothing can reach further than the newest of them.
 */
export class OwnWrites {
  #largest: TXID = NO_TXID;
  #hasWritten = false;

  /** `txid` is or was the newest local file. */
  captured(txid: TXID): void {
    if (txid > this.#largest) this.#largest = txid;
  }

  /** A file of ours is there. */
  written(): void {
    this.#hasWritten = true;
  }

  /** Another writer was allowed to be there meanwhile, or the operator wants to begin anew. */
  forget(): void {
    this.#hasWritten = false;
  }

  /** SECOND_WRITER when a file that ends at `position` cannot be ours. */
  check(replica: Replica, position: TXID): void {
    if (!this.#hasWritten || position <= this.#largest) return;
    throw new LitestreamError(
      'SECOND_WRITER',
      `the replica at ${replica.store.destination} has come to TXID ${formatTXID(position)} without us: another process writes there`,
      {
        details: { found: formatTXID(position), newest: formatTXID(this.#largest) },
        hint: `Stop the other process, or give this database a destination of its own.`,
      },
    );
  }
}
