/** `status`: positions, lag, errors and blockers of one database or all. */

import { z } from 'zod';
import { snapshots } from '../../engine/restore/lineages.ts';
import { restorablePoints } from '../../engine/restore/points.ts';
import { formatTXID } from '../../formats/ltx/txid.ts';
import { type DatabaseFacts, type ReplicaFacts, readFacts } from '../database-facts.ts';
import { directoryOut, readDirectories } from '../directory-facts.ts';
import { count, databaseState, envelope, instant, path, replicaState, seconds, toCount, txidOut } from '../fields.ts';
import { bestListing, listReplicas } from '../listings.ts';
import { findShown, shownEntries } from '../lookup.ts';
import { formatInstant, roundSeconds } from '../moment.ts';
import { databaseProof, proofOut } from '../proofs.ts';
import { describeCompanions } from '../replica-facts.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

const input = z.strictObject({ path: path.optional(), detail: z.boolean().optional() });

const outcome = z.enum(['passed', 'failed', 'inconclusive']);
const proofOfReplica = {
  outcome,
  txid: txidOut.optional(),
  at: instant,
  /** Why it did not pass. */
  reasons: z.array(z.string()).optional(),
  last_passed: z.strictObject({ txid: txidOut, at: instant }).optional(),
};

const requestCounts = z.strictObject({ put: count, list: count, get: count, delete: count });

const replicaOut = z.strictObject({
  name: z.string(),
  type: z.string(),
  /** Absent for a required one. */
  role: z.enum(['best-effort']).optional(),
  state: replicaState,
  txid: txidOut.optional(),
  lag_txids: count.optional(),
  lag_seconds: seconds.optional(),
  pending_bytes: count.optional(),
  last_upload_at: instant.optional(),
  last_confirmed_at: instant.optional(),
  last_error: z
    .strictObject({
      code: z.string(),
      message: z.string(),
      at: instant,
      attempts: count,
      next_try_at: instant.optional(),
      /** What a person can do. */
      hint: z.string().optional(),
      /** The destination has not answered this process once, and does not look like a server that is only starting. */
      never_answered: z.literal(true).optional(),
    })
    .optional(),
  proof: z.strictObject(proofOfReplica).optional(),
  lease: z
    .strictObject({ state: z.enum(['waiting', 'held', 'lost']), owner: z.string().optional(), expires_at: instant.optional() })
    .optional(),
  mirror: z.strictObject({ path: z.string(), txid: txidOut.optional(), at: instant.optional() }).optional(),
  /** What cannot be done there for want of an age identity. */
  write_only: z.string().optional(),
  maintenance: z
    .strictObject({ compacted_at: instant.optional(), snapshot_at: instant.optional(), retention_at: instant.optional() })
    .optional(),
  /** What stands in the way of everything but the uploads. */
  troubles: z
    .array(z.strictObject({ of: z.string(), code: z.string(), message: z.string(), since: instant, hint: z.string().optional() }))
    .optional(),
  /** What was asked of the destination, by price class. */
  requests: z
    .strictObject({
      since: instant,
      total: requestCounts,
      last_hour: requestCounts,
      bytes_sent: count,
      bytes_received: count,
      errors: count,
      throttled: count,
      retries: count,
    })
    .optional(),
  /** How the destination was found at the start of the daemon. */
  check: z
    .strictObject({
      outcome: z.enum(['passed', 'failed']),
      at: instant,
      create_only: z.enum(['honoured', 'ignored', 'absent']).optional(),
      code: z.string().optional(),
      message: z.string().optional(),
    })
    .optional(),
});

const output = z.strictObject({
  ...envelope,
  databases: z.array(
    z.strictObject({
      name: z.string(),
      path: z.string(),
      state: databaseState,
      code: z.string().optional(),
      /** First line of the error behind `code`. */
      message: z.string().optional(),
      /** What a person can do about a disabled one. */
      hint: z.string().optional(),
      since: instant.optional(),
      cold: z.literal(true).describe('closed while nobody writes, and watched').optional(),
      position: z.strictObject({ txid: txidOut, at: instant.optional() }).optional(),
      size_bytes: count.optional(),
      unprotected_seconds: seconds.optional(),
      loss_budget_seconds: seconds.optional(),
      wal: z.strictObject({ size_bytes: count, pending_bytes: count.optional() }).optional(),
      replicas: z.array(replicaOut),
      checkpoint: z
        .strictObject({
          last_at: instant.optional(),
          mode: z.enum(['PASSIVE', 'TRUNCATE']).optional(),
          blocked_since: instant.optional(),
          worst_write_lock_ms: z.number().optional(),
        })
        .optional(),
      proof: z.strictObject({ ...proofOfReplica, replica: z.string() }).optional(),
      retention: z.strictObject({ oldest_point: instant.optional(), snapshot_age_seconds: seconds.optional() }).optional(),
      activity: z.strictObject({ operation: z.string(), phase: z.string().optional(), since: instant }).optional(),
    }),
  ),
  /** Watched directories of databases; absent without any, and where one database was asked for. */
  directories: z.array(directoryOut).optional(),
});

export const status = defineVerb({ name: 'status', input, output, effect: 'read', scope: 'read', run });

type Output = z.output<typeof output>;
type DatabaseOut = Output['databases'][number];

async function run(world: World, args: z.output<typeof input>, call: CallContext): Promise<Output> {
  const entries = args.path === undefined ? shownEntries(world, call.caller) : [findShown(world, call.caller, args.path)];
  const facts = await readFacts(world, entries, call.signal);
  const databases = facts.map((one) => describe(world, one));
  if (args.detail) {
    // One after the other: this lists whole replicas.
    for (const [index, database] of databases.entries()) {
      const entry = entries[index];
      const retention = entry && (await retentionOf(world, entry, call));
      if (retention !== undefined) databases[index] = { ...database, retention };
    }
  }
  const directories = args.path === undefined ? readDirectories(world, call.caller) : [];
  return { as_of: formatInstant(world.clock.now()), databases, ...(directories.length === 0 ? {} : { directories: [...directories] }) };
}

function describe(world: World, facts: DatabaseFacts): DatabaseOut {
  const { entry, position, wal, checkpoint } = facts;
  const proven = databaseProof(facts.replicas);
  return {
    name: entry.settings.name,
    path: entry.settings.path,
    state: facts.state,
    ...(facts.code === undefined ? {} : { code: facts.code }),
    ...(facts.message === undefined ? {} : { message: facts.message }),
    ...(facts.hint === undefined ? {} : { hint: facts.hint }),
    ...(facts.since === undefined ? {} : { since: formatInstant(facts.since) }),
    ...(facts.isCold === true ? { cold: true as const } : {}),
    ...(position === undefined
      ? {}
      : { position: { txid: formatTXID(position.txid), ...(position.at === undefined ? {} : { at: formatInstant(position.at) }) } }),
    ...(facts.sizeBytes === undefined ? {} : { size_bytes: facts.sizeBytes }),
    ...(facts.unprotectedSeconds === undefined ? {} : { unprotected_seconds: roundSeconds(facts.unprotectedSeconds) }),
    ...(world.lagBudgetMs === undefined ? {} : { loss_budget_seconds: roundSeconds(world.lagBudgetMs / 1000) }),
    ...(wal === undefined ? {} : { wal: { size_bytes: wal.size, ...(wal.pending === undefined ? {} : { pending_bytes: wal.pending }) } }),
    replicas: facts.replicas.map(describeReplica),
    ...(checkpoint === undefined
      ? {}
      : {
          checkpoint: {
            ...(checkpoint.lastAt === undefined ? {} : { last_at: formatInstant(checkpoint.lastAt) }),
            ...(checkpoint.mode === undefined ? {} : { mode: checkpoint.mode }),
            worst_write_lock_ms: Math.round(checkpoint.worstWriteLockMs * 1000) / 1000,
          },
        }),
    ...(proven === undefined ? {} : { proof: { ...proofOut(proven.proof), replica: proven.replica } }),
  };
}

function describeReplica(replica: ReplicaFacts): DatabaseOut['replicas'][number] {
  const { lastError } = replica;
  return {
    name: replica.name,
    type: replica.type,
    ...(replica.role === 'best-effort' ? { role: replica.role } : {}),
    state: replica.state,
    ...(replica.txid === undefined ? {} : { txid: formatTXID(replica.txid) }),
    ...(replica.lagTXIDs === undefined ? {} : { lag_txids: toCount(replica.lagTXIDs) }),
    ...(replica.lagSeconds === undefined ? {} : { lag_seconds: roundSeconds(replica.lagSeconds) }),
    ...(replica.pendingBytes === undefined ? {} : { pending_bytes: replica.pendingBytes }),
    ...(replica.lastUploadAt === undefined ? {} : { last_upload_at: formatInstant(replica.lastUploadAt) }),
    ...(replica.lastConfirmedAt === undefined ? {} : { last_confirmed_at: formatInstant(replica.lastConfirmedAt) }),
    ...(lastError === undefined
      ? {}
      : {
          last_error: {
            code: lastError.code,
            message: lastError.message,
            at: formatInstant(lastError.at),
            attempts: lastError.attempts,
            ...(lastError.nextTryAt === undefined ? {} : { next_try_at: formatInstant(lastError.nextTryAt) }),
            ...(lastError.hint === undefined ? {} : { hint: lastError.hint }),
            ...(lastError.neverAnswered === undefined ? {} : { never_answered: true as const }),
          },
        }),
    ...describeCompanions(replica),
  };
}

/** How far back the best replica reaches; undefined when none can be read, which `replicas` shows. */
async function retentionOf(world: World, entry: DatabaseFacts['entry'], call: CallContext): Promise<DatabaseOut['retention']> {
  if (entry.replicas.length === 0) return undefined;
  try {
    const { listings } = await listReplicas(world, { entry, replica: undefined, signal: call.signal });
    const files = bestListing(listings)?.files ?? [];
    const [oldest] = restorablePoints(files);
    const newest = snapshots(files).at(-1);
    return {
      ...(oldest === undefined ? {} : { oldest_point: formatInstant(oldest.time) }),
      ...(newest === undefined ? {} : { snapshot_age_seconds: roundSeconds(Math.max(0, world.clock.now() - newest.createdAt) / 1000) }),
    };
  } catch {
    call.signal.throwIfAborted();
    return undefined;
  }
}
