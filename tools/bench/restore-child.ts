/** Restores once, as the product does, and tells how it went: arguments are the replica's directory, the output, and the TXID if not the newest. */

import { LATEST } from '../../src/engine/restore/target.ts';
import type { TimeShares } from '../../src/engine/restore/time-shares.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { runJob } from '../../src/workers/job-host.ts';
import { peakResidentBytes } from './proc.ts';

export interface RestoreFacts {
  readonly durationMs: number;
  /** From before the thread is started to its result. */
  readonly wallMs: number;
  readonly shares: TimeShares;
  readonly bytesRead: number;
  readonly sizeBytes: number;
  readonly filesRead: number;
  readonly peakResidentBytes: number;
  /** Processor time of all threads, ms: in our code, and in the system for us. */
  readonly userMs: number;
  readonly systemMs: number;
}

const [replica, output, txid] = process.argv.slice(2);
if (replica === undefined || output === undefined) throw new Error('usage: restore-child REPLICA OUTPUT [TXID]');
const used = process.cpuUsage();
const begun = performance.now();
const { durationMs, shares, bytesRead, sizeBytes, filesRead } = await runJob('restore', {
  store: { type: 'file', path: replica },
  target: txid === undefined ? LATEST : { type: 'txid', txid: toTXID(Number(txid)) },
  output,
  integrity: 'none',
});
const { user, system } = process.cpuUsage(used);
const facts: RestoreFacts = {
  durationMs,
  wallMs: performance.now() - begun,
  shares,
  bytesRead,
  sizeBytes,
  filesRead,
  peakResidentBytes: peakResidentBytes('self'),
  userMs: user / 1000,
  systemMs: system / 1000,
};
process.send?.(facts, undefined, {}, () => process.disconnect());
