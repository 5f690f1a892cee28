/** What accompanies a replica, as verbs show it: proof, lease, mirror, maintenance, troubles. */

import { redact } from '../base/redact.ts';
import { formatTXID } from '../formats/ltx/txid.ts';
import type { ReplicaFacts } from './database-facts.ts';
import { formatInstant } from './moment.ts';
import { proofOut } from './proofs.ts';

export function describeCompanions({ proof, lease, mirror, writeOnly, maintenance, troubles, requests, check }: ReplicaFacts) {
  return {
    ...(proof === undefined ? {} : { proof: proofOut(proof) }),
    ...(lease === undefined ? {} : { lease: describeLease(lease) }),
    ...(mirror === undefined ? {} : { mirror: describeMirror(mirror) }),
    ...(writeOnly === undefined ? {} : { write_only: writeOnly }),
    ...(maintenance === undefined ? {} : { maintenance: describeMaintenance(maintenance) }),
    ...(troubles === undefined ? {} : { troubles: troubles.map(describeTrouble) }),
    ...(requests === undefined ? {} : { requests: describeRequests(requests) }),
    ...(check === undefined ? {} : { check: describeCheck(check) }),
  };
}

function describeLease({ state, owner, expiresAt }: NonNullable<ReplicaFacts['lease']>) {
  return {
    state,
    ...(owner === undefined ? {} : { owner }),
    ...(expiresAt === undefined ? {} : { expires_at: formatInstant(expiresAt) }),
  };
}

function describeMirror({ path, txid, at }: NonNullable<ReplicaFacts['mirror']>) {
  return { path, ...(txid === undefined ? {} : { txid: formatTXID(txid) }), ...(at === undefined ? {} : { at: formatInstant(at) }) };
}

function describeMaintenance({ compactedAt = {}, snapshotAt, retentionAt }: NonNullable<ReplicaFacts['maintenance']>) {
  const merges = Object.values(compactedAt);
  return {
    ...(merges.length === 0 ? {} : { compacted_at: formatInstant(Math.max(...merges)) }),
    ...(snapshotAt === undefined ? {} : { snapshot_at: formatInstant(snapshotAt) }),
    ...(retentionAt === undefined ? {} : { retention_at: formatInstant(retentionAt) }),
  };
}

function describeRequests({ since, total, lastHour, bytesSent, bytesReceived, ...counts }: NonNullable<ReplicaFacts['requests']>) {
  return {
    since: formatInstant(since),
    total: { ...total },
    last_hour: { ...lastHour },
    bytes_sent: bytesSent,
    bytes_received: bytesReceived,
    ...counts,
  };
}

function describeCheck({ outcome, at, createOnly, error }: NonNullable<ReplicaFacts['check']>) {
  return {
    outcome,
    at: formatInstant(at),
    ...(createOnly === undefined ? {} : { create_only: createOnly }),
    ...(error === undefined ? {} : { code: error.code, message: redact(error.message.split('\n', 1).join('')).slice(0, 400) }),
  };
}

function describeTrouble({ of, error, since }: NonNullable<ReplicaFacts['troubles']>[number]) {
  return {
    of,
    code: error.code,
    message: redact(error.message.split('\n', 1).join('')).slice(0, 400),
    since: formatInstant(since),
    ...(error.hint === undefined ? {} : { hint: redact(error.hint) }),
  };
}
