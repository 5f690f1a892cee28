/** Restores a state of a file replica in this process, as a restore job would. */

import type { RestoreTarget } from '../../src/engine/restore/target.ts';
import type { TXID } from '../../src/formats/ltx/txid.ts';
import { runJobHere } from '../../src/workers/job-kinds.ts';

/** @param wanted a TXID, or a moment in ms since the epoch. */
export async function restoreFile(replica: string, wanted: TXID | { readonly before: number }, output: string): Promise<void> {
  const target: RestoreTarget =
    typeof wanted === 'bigint' ? { type: 'txid', txid: wanted } : { type: 'timestamp', timestamp: wanted.before };
  await runJobHere('restore', { store: { type: 'file', path: replica }, target, output, integrity: 'none' });
}
