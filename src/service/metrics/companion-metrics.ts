/** Metrics of what accompanies replicas: maintenance, proofs, leases, and the troubles that stand. */

import type { CompanionCount } from '../companions/companion.ts';
import { type Family, forEachReplica, forEachWord, ofReplicas, wordsOf } from './family.ts';
import { told } from './service-metrics.ts';

/** Name and help of each count. */
const COUNTERS: { readonly [K in CompanionCount]: readonly [string, string] } = {
  compactions: ['litestream_compactions_total', 'Files merged into a higher level.'],
  compaction_failures: ['litestream_compaction_failures_total', 'Merges that failed.'],
  compacted_bytes: ['litestream_compacted_bytes_total', 'Bytes of merged files.'],
  // A name of the original.
  compaction_inconsistencies: ['litestream_compaction_verify_error_count', 'Gaps and overlaps found after a merge.'],
  snapshots: ['litestream_snapshots_total', 'Level-9 files written by schedule.'],
  retention_deleted_files: ['litestream_retention_deleted_files_total', 'Files deleted at the replica by retention.'],
  proofs_passed: ['litestream_proofs_passed_total', 'Scheduled verifications that passed.'],
  proofs_failed: ['litestream_proofs_failed_total', 'Scheduled verifications that failed.'],
  proofs_inconclusive: ['litestream_proofs_inconclusive_total', 'Scheduled verifications without a verdict.'],
  lease_losses: ['litestream_lease_losses_total', 'Leases lost to another process.'],
};

const outcomes = wordsOf('outcome', ['passed', 'failed', 'inconclusive']);

export const COMPANION_FAMILIES: readonly Family[] = [
  ...(Object.entries(COUNTERS) as [CompanionCount, readonly [string, string]][]).map(([what, [name, help]]) =>
    ofReplicas('counter', name, help, ({ companions }) => companions?.[what]),
  ),
  forEachReplica(
    { name: 'litestream_replica_proof_outcome', type: 'gauge', help: '1 for the outcome of the newest verification.' },
    (lines, database, replica) => {
      const { proof } = replica;
      if (proof !== undefined) forEachWord(lines, database, replica, outcomes, (word) => (word === proof.outcome ? 1 : 0));
    },
  ),
  ofReplicas('gauge', 'litestream_replica_proof_time', 'Unix time of the newest verification.', ({ proof }) => seconds(proof?.at)),
  ofReplicas('gauge', 'litestream_replica_proven_time', 'Unix time of the newest verification that passed.', ({ proof }) =>
    seconds(proof?.lastPassed?.at),
  ),
  ofReplicas('gauge', 'litestream_replica_proven_txid', 'Position of the newest verification that passed.', ({ proof }) =>
    proof?.lastPassed === undefined ? undefined : Number(proof.lastPassed.txid),
  ),
  ofReplicas(
    'gauge',
    'litestream_replica_troubles',
    'Standing troubles beside the uploads.',
    told(({ troubles }) => troubles),
  ),
];

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);
