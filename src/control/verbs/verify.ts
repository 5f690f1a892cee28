/** `verify`: restores to scratch, checks, and compares with the live database (decision 25). */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import nodePath from 'node:path';
import { z } from 'zod';
import { errorToData, LitestreamError } from '../../base/errors.ts';
import { redact } from '../../base/redact.ts';
import type { PageSums } from '../../engine/database-engine.ts';
import type { ReplicaSettings } from '../../engine/options.ts';
import type { RestoreTarget } from '../../engine/restore/target.ts';
import type { VerifyResult } from '../../engine/verify/verify.ts';
import { formatTXID } from '../../formats/ltx/txid.ts';
import type { DatabaseEntry } from '../../service/options.ts';
import type { DatabaseHandle } from '../../service/service.ts';
import { count, envelope, path, replica, timestamp, txid, txidOut, type Warning, waitSeconds } from '../fields.ts';
import { factsOf } from '../file-identity.ts';
import type { JobContext } from '../job-work.ts';
import { findDatabase, findReplicas, handleOf } from '../lookup.ts';
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

/** How long a verification waits for the live state to reach the replicas, ms. */
const REPLICA_WAIT_MS = 30_000;

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
    run: (context) => prove(world, request, context),
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
  const [first, second] = findReplicas(entry, args.replica);
  if (first !== undefined && second === undefined) return first;
  try {
    return (await chooseRestore(world, entry, { args: {}, asked: { ...ltxOnly, target }, signal })).replica;
  } catch (error) {
    if (first === undefined || !(error instanceof LitestreamError) || error.disposition === 'retry') throw error;
    return first;
  }
}

async function prove(world: World, { entry, replica, target, args }: Request, { signal, progress }: JobContext): Promise<Output> {
  const start = world.clock.monotonic();
  const warnings: Warning[] = [];
  const scratch = await makeScratch(world, entry);
  try {
    const sums = await liveSums(world, entry, { target, compare: args.compare, scratch, signal, warnings });
    const request = { target, scratch, integrity: args.check, store: replica.store, ...(sums === undefined ? {} : { sums }) };
    const found = await world.runJob('verify', request, { signal, onProgress: (report) => progress(toProgress(report)) });
    const result = args.compare === 'live' && sums === undefined ? unproven(found) : found;
    const at = world.clock.now();
    world.proofs.record(entry.settings.path, {
      outcome: result.outcome,
      replica: replica.name,
      ...(result.txid === undefined ? {} : { txid: result.txid }),
      at,
    });
    return {
      as_of: formatInstant(at),
      ...(warnings.length === 0 ? {} : { warnings }),
      mode: 'done',
      database: entry.settings.name,
      replica: replica.name,
      outcome: result.outcome,
      ...(result.txid === undefined ? {} : { txid: formatTXID(result.txid) }),
      checks: result.checks.map((check) => ({ ...check, detail: redact(check.detail) })),
      ...(result.pagesCompared === undefined ? {} : { pages_compared: result.pagesCompared }),
      bytes_read: result.bytesRead,
      duration_ms: Math.round(world.clock.monotonic() - start),
      recorded: false,
      ...(result.reason === undefined ? {} : { reason: redact(result.reason) }),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A comparison that was asked for and could not be made proves nothing, whatever else passed. */
function unproven(found: VerifyResult): VerifyResult {
  return found.outcome === 'passed' ? { ...found, outcome: 'inconclusive', reason: 'the live pages could not be compared' } : found;
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

interface LiveRequest {
  readonly target: RestoreTarget;
  readonly compare: Input['compare'];
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly warnings: Warning[];
}

/** The live database's pages, once the replicas have its position; undefined where there is nothing to compare with. */
async function liveSums(
  world: World,
  entry: DatabaseEntry,
  { target, compare, scratch, signal, warnings }: LiveRequest,
): Promise<PageSums | undefined> {
  const handle = handleOf(world, entry);
  if (compare === 'none' || (compare === 'auto' && target.type !== 'latest')) return undefined;
  if (handle === undefined) {
    if (compare === 'live')
      warnings.push({ code: 'NOT_COMPARED', message: 'nothing replicates here, so there are no live pages to compare with' });
    return undefined;
  }
  try {
    const sums = await handle.pageSums(scratch);
    await waitForReplicas(world, handle, signal);
    return sums;
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = errorToData(error);
    warnings.push({ code: 'NOT_COMPARED', message: redact(`the live pages could not be read (${code}): ${message}`) });
    return undefined;
  }
}

/** A replica that lags is no reason to wait for ever: the verification then says that it ends before the live state. */
async function waitForReplicas(world: World, handle: DatabaseHandle, signal: AbortSignal): Promise<void> {
  const enough = new AbortController();
  const onAbort = () => enough.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  world.clock.sleep(REPLICA_WAIT_MS, { signal: enough.signal, unref: true }).then(onAbort, () => {});
  try {
    await handle.sync({ wait: true, signal: enough.signal });
  } catch (error) {
    signal.throwIfAborted();
    // Out of patience, or the upload failed: the status of the replica tells which.
    world.log.log('debug', 'verifying without waiting for the replica', { error: errorToData(error).message });
  } finally {
    signal.removeEventListener('abort', onAbort);
    enough.abort();
  }
}
