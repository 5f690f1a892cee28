/** What verifications say about a database: over its replicas, the word that matters most. */

import type { ReplicaSettings } from '../engine/options.ts';
import { formatTXID } from '../formats/ltx/txid.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { ProofFacts } from '../service/service.ts';
import { formatInstant } from './moment.ts';
import type { World } from './world.ts';

export interface ReplicaProof {
  readonly replica: string;
  readonly proof: ProofFacts;
}

/** A failure comes first, then the newest. */
export function databaseProof(replicas: readonly { readonly name: string; readonly proof?: ProofFacts }[]): ReplicaProof | undefined {
  const proofs = replicas.flatMap(({ name, proof }) => (proof === undefined ? [] : [{ replica: name, proof }]));
  const rank = ({ proof }: ReplicaProof): number => (proof.outcome === 'failed' ? Number.POSITIVE_INFINITY : proof.at);
  return proofs.reduce<ReplicaProof | undefined>((best, one) => (best === undefined || rank(one) > rank(best) ? one : best), undefined);
}

/** What is known of one replica; offline its record is read, where it answers. */
export async function proofOf(
  world: World,
  entry: DatabaseEntry,
  settings: ReplicaSettings,
  signal?: AbortSignal,
): Promise<ProofFacts | undefined> {
  const ledger = world.proofs.of(await world.replicas.get(entry, settings), settings.name);
  if (world.service === undefined) await ledger.load(signal).catch(() => {});
  signal?.throwIfAborted();
  return ledger.facts().proof;
}

/** As verbs show it. */
export function proofOut({ outcome, txid, at, reasons, lastPassed }: ProofFacts) {
  const isOther = lastPassed !== undefined && lastPassed.at !== at;
  return {
    outcome,
    ...(txid === undefined ? {} : { txid: formatTXID(txid) }),
    at: formatInstant(at),
    ...(reasons.length === 0 ? {} : { reasons: [...reasons] }),
    ...(isOther ? { last_passed: { txid: formatTXID(lastPassed.txid), at: formatInstant(lastPassed.at) } } : {}),
  };
}
