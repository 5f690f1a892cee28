/** Restores one TXID of a file replica in this process, as a restore job would. */

import type { TXID } from '../../src/formats/ltx/txid.ts';
import { runJobHere } from '../../src/workers/job-kinds.ts';

export async function restoreFile(replica: string, txid: TXID, output: string): Promise<void> {
  await runJobHere('restore', { store: { type: 'file', path: replica }, target: { type: 'txid', txid }, output, integrity: 'none' });
}
