/** Metrics of what accompanies replicas: maintenance, proofs, leases, and the troubles that stand. */

import { Counter, Gauge, type Registry } from 'prom-client';
import type { CompanionCount } from '../companions/companion.ts';
import type { ReplicaStatus } from '../service.ts';

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

const OUTCOMES = ['passed', 'failed', 'inconclusive'] as const;

export function companionMetrics(registry: Registry) {
  const replica = { labelNames: ['db', 'replica'] as const, registers: [registry] };
  const counters = Object.fromEntries(
    Object.entries(COUNTERS).map(([what, [name, help]]) => [what, new Counter({ name, help, ...replica })]),
  ) as { readonly [K in CompanionCount]: Counter<'db' | 'replica'> };
  return {
    counters,
    proofOutcome: new Gauge({
      name: 'litestream_replica_proof_outcome',
      help: '1 for the outcome of the newest verification.',
      labelNames: ['db', 'replica', 'outcome'] as const,
      registers: [registry],
    }),
    proofTime: new Gauge({ name: 'litestream_replica_proof_time', help: 'Unix time of the newest verification.', ...replica }),
    provenTime: new Gauge({
      name: 'litestream_replica_proven_time',
      help: 'Unix time of the newest verification that passed.',
      ...replica,
    }),
    provenTXID: new Gauge({ name: 'litestream_replica_proven_txid', help: 'Position of the newest verification that passed.', ...replica }),
    troubles: new Gauge({ name: 'litestream_replica_troubles', help: 'Standing troubles beside the uploads.', ...replica }),
  };
}

/** Sets the gauges of one replica. */
export function observeCompanions(
  metrics: Omit<ReturnType<typeof companionMetrics>, 'counters'>,
  db: string,
  { name, proof, troubles = [] }: ReplicaStatus,
): void {
  metrics.troubles.labels(db, name).set(troubles.length);
  if (proof === undefined) return;
  for (const outcome of OUTCOMES) metrics.proofOutcome.labels(db, name, outcome).set(proof.outcome === outcome ? 1 : 0);
  metrics.proofTime.labels(db, name).set(proof.at / 1000);
  if (proof.lastPassed === undefined) return;
  metrics.provenTime.labels(db, name).set(proof.lastPassed.at / 1000);
  metrics.provenTXID.labels(db, name).set(Number(proof.lastPassed.txid));
}
