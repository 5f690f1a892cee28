/** `verify`: restores to scratch, checks, and compares with the live database (decision 25). */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import nodePath from 'node:path';
import { z } from 'zod';
import { LitestreamError } from '../../base/errors.ts';
import { redact } from '../../base/redact.ts';
import type { ReplicaSettings } from '../../engine/options.ts';
import type { RestoreTarget } from '../../engine/restore/target.ts';
import { formatTXID } from '../../formats/ltx/txid.ts';
import type { Proof } from '../../replica/proof-record.ts';
import type { DatabaseEntry } from '../../service/options.ts';
import { type ProveRequest, prove } from '../../service/proof/prove.ts';
import { count, envelope, path, replica, timestamp, txid, txidOut, waitSeconds } from '../fields.ts';
import { factsOf } from '../file-identity.ts';
import type { JobContext } from '../job-work.ts';
import { findDatabase, findDestinations, handleOf } from '../lookup.ts';
import { formatInstant } from '../moment.ts';
import { askedFor, chooseRestore } from '../restore-choice.ts';
import { toProgress } from '../restore-run.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import { patienceOf, resultOf } from '../waiting.ts';
import type { World } from '../world.ts';

const input = z.strictObject({
  path: path.optional(),
  replica: replica.optional(),
  timestamp: timestamp.optional(),
  txid: txid.optional(),
  check: z.enum(['quick', 'full']).default('quick'),
  compare: z.enum(['auto', 'live', 'none']).default('auto'),
  wait_seconds: waitSeconds.optional(),
});

const outcome = z.enum(['passed', 'failed', 'inconclusive']);

const output = z.strictObject({
  ...envelope,
  mode: z.enum(['running', 'done']),
  job_id: z.string().optional(),
  database: z.string(),
  replica: z.string(),
  /** Absent while running, like everything below. */
  outcome: outcome.optional(),
  txid: txidOut.optional(),
  checks: z.array(z.strictObject({ name: z.enum(['chain', 'checksums', 'integrity', 'pages']), outcome, detail: z.string() })).optional(),
  pages_compared: count.optional(),
  bytes_read: count.optional(),
  duration_ms: count.optional(),
  recorded: z.boolean().optional(),
  reason: z.string().optional(),
});

export const verify = defineVerb({ name: 'verify', input, output, effect: 'scratch', scope: 'read', run });

type Input = z.output<typeof input>;
type Output = z.output<typeof output>;

interface Request {
  readonly entry: DatabaseEntry;
  readonly replica: ReplicaSettings;
  readonly target: RestoreTarget;
  readonly args: Input;
}

async function run(world: World, args: Input, call: CallContext): Promise<Output> {
  const entry = findDatabase(world, call.caller, args.path);
  const { target } = askedFor(args, world.clock.now());
  if (args.compare === 'live' && target.type !== 'latest') {
    throw new LitestreamError('USAGE', 'compare: the live database can only be compared with the newest state', {
      details: { argument: 'compare' },
    });
  }
  const replica = await chooseReplica(world, entry, { args, target, call });
  const request = { entry, replica, target, args };
  const job = world.jobs.start<Output>({
    principal: call.caller.principal,
    verb: 'verify',
    database: entry.settings.name,
    lane: `verify ${entry.settings.path}`,
    heavy: true,
    run: (context) => proveAndKeep(world, request, call.caller.readOnly, context),
  });
  const result = await resultOf(world, job, { ms: patienceOf(args.wait_seconds, call), call });
  const running = { as_of: formatInstant(world.clock.now()), mode: 'running' as const, job_id: job.id };
  return result ?? { ...running, database: entry.settings.name, replica: replica.name };
}

/** Data of version 0.3 cannot be compared with anything: what is verified is LTX files. */
const ltxOnly = { format: 'ltx', legacyTarget: { type: 'latest' }, shown: {} } as const;

/** The replica named, or the one that comes nearest to the target. That it is bad is for the verification to say. */
async function chooseReplica(
  world: World,
  entry: DatabaseEntry,
  { args, target, call: { signal } }: { readonly args: Input; readonly target: RestoreTarget; readonly call: CallContext },
): Promise<ReplicaSettings> {
  const [first, second] = await findDestinations(entry, args.replica);
  if (first !== undefined && (second === undefined || args.replica !== undefined)) return first;
  try {
    return (await chooseRestore(world, entry, { args: {}, asked: { ...ltxOnly, target }, signal })).replica;
  } catch (error) {
    if (first === undefined || !(error instanceof LitestreamError) || error.disposition === 'retry') throw error;
    return first;
  }
}

async function proveAndKeep(world: World, request: Request, readOnly: boolean, { signal, progress }: JobContext): Promise<Output> {
  const { entry, replica, target, args } = request;
  const { clock, log, runJob, proofs } = world;
  const scratch = await makeScratch(world, entry);
  try {
    const live = liveSide(world, entry, replica);
    const { result, proof, notCompared } = await prove(
      { database: entry.settings, replica, ...live, target, integrity: args.check, compare: args.compare, scratch },
      { clock, log, runJob, signal, onProgress: (report) => progress(toProgress(report)), tool: proofs.tool },
    );
    const recorded = await keep(world, request, proof, { readOnly, signal });
    return {
      as_of: formatInstant(proof.at),
      ...(notCompared === undefined ? {} : { warnings: [{ code: 'NOT_COMPARED', message: redact(notCompared) }] }),
      mode: 'done',
      database: entry.settings.name,
      replica: replica.name,
      outcome: result.outcome,
      ...(result.txid === undefined ? {} : { txid: formatTXID(result.txid) }),
      checks: result.checks.map((check) => ({ ...check, detail: redact(check.detail) })),
      ...(result.pagesCompared === undefined ? {} : { pages_compared: result.pagesCompared }),
      bytes_read: result.bytesRead,
      duration_ms: Math.round(proof.durationMs),
      recorded,
      ...(result.reason === undefined ? {} : { reason: redact(result.reason) }),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function liveSide(world: World, entry: DatabaseEntry, { name }: ReplicaSettings): Pick<ProveRequest, 'live'> {
  const database = handleOf(world, entry);
  const replica = database?.replicas.find(({ settings }) => settings.name === name);
  return database === undefined || replica === undefined ? {} : { live: { database, replica } };
}

/** Only the newest state says something about the replica from now on; what was found about an earlier one is the answer and no more. */
async function keep(
  world: World,
  { entry, replica, target }: Request,
  proof: Proof,
  { readOnly, signal }: { readonly readOnly: boolean; readonly signal: AbortSignal },
): Promise<boolean> {
  if (target.type !== 'latest') return false;
  const ledger = world.proofs.of(await world.replicas.get(entry, replica), replica.name);
  return ledger.add(proof, { keep: !readOnly, signal });
}

/** On the database's own disk where this process owns its metadata directory, so that a killed verification is cleared by the next; else temporary. */
async function makeScratch(world: World, entry: DatabaseEntry): Promise<string> {
  const { metaPath } = entry.settings;
  if (handleOf(world, entry) === undefined || (await factsOf(metaPath)) === undefined)
    return mkdtemp(nodePath.join(tmpdir(), 'litestream-verify-'));
  const scratch = nodePath.join(metaPath, 'verify');
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { mode: 0o700 });
  return scratch;
}
