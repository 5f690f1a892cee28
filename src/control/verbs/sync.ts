/** `sync`: pushes pending changes now; its status compares with the replica. */

import { z } from 'zod';
import { errorToData, LitestreamError } from '../../base/errors.ts';
import { redact } from '../../base/redact.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import { decisive } from '../../service/roles.ts';
import type { DatabaseHandle, ReplicaHandle } from '../../service/service.ts';
import { count, envelope, path, txidOut, type Warning, waitSeconds } from '../fields.ts';
import { findDatabase, handleOf } from '../lookup.ts';
import { formatInstant } from '../moment.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import { patienceOf, resultOf } from '../waiting.ts';
import type { World } from '../world.ts';

const input = z.strictObject({
  path,
  wait: z.boolean().default(true).describe('Until a replica has it'),
  snapshot: z.boolean().default(false).describe('Also write a full image'),
  wait_seconds: waitSeconds.optional(),
});

const output = z.strictObject({
  ...envelope,
  mode: z.enum(['running', 'done']),
  job_id: z.string().optional(),
  database: z.string(),
  /** Absent while running. */
  status: z.enum(['synced', 'synced_local', 'no_change']).optional(),
  txid: txidOut.optional(),
  replicas: z.array(z.strictObject({ name: z.string(), txid: txidOut.optional() })).optional(),
  duration_ms: count.optional(),
});

export const sync = defineVerb({ name: 'sync', input, output, effect: 'act', scope: 'operate', run });

type Input = z.output<typeof input>;
type Output = z.output<typeof output>;

async function run(world: World, args: Input, call: CallContext): Promise<Output> {
  const entry = findDatabase(world, call.caller, args.path);
  const handle = handleOf(world, entry);
  if (handle === undefined) {
    throw new LitestreamError('DAEMON_NOT_RUNNING', `synchronising ${entry.settings.name}: no daemon replicates it`, {
      hint: 'Start it with: litestream replicate',
    });
  }
  const job = world.jobs.start<Output>({
    principal: call.caller.principal,
    verb: 'sync',
    database: entry.settings.name,
    heavy: false,
    run: ({ signal }) => push(world, handle, args, signal),
  });
  const result = await resultOf(world, job, { ms: patienceOf(args.wait_seconds, call), call });
  return result ?? { as_of: formatInstant(world.clock.now()), mode: 'running', job_id: job.id, database: entry.settings.name };
}

async function push(world: World, handle: DatabaseHandle, { wait, snapshot }: Input, signal: AbortSignal): Promise<Output> {
  const start = world.clock.monotonic();
  const before = positions(handle);
  const { after } = await handle.sync({ wait, signal });
  const warnings = snapshot ? await snapshotAll(handle, signal) : [];
  const now = positions(handle);
  return {
    as_of: formatInstant(world.clock.now()),
    ...(warnings.length === 0 ? {} : { warnings }),
    mode: 'done',
    database: handle.settings.name,
    status: statusOf(after, before, now, snapshot),
    txid: formatTXID(after),
    replicas: [...positions(handle, handle.replicas)].map(([name, txid]) => ({
      name,
      ...(txid === undefined ? {} : { txid: formatTXID(txid) }),
    })),
    duration_ms: Math.round(world.clock.monotonic() - start),
  };
}

type Positions = ReadonlyMap<string, TXID | undefined>;

const positions = (handle: DatabaseHandle, replicas = required(handle)): Positions =>
  new Map(replicas.map((replica) => [replica.settings.name, replica.status().txid]));

const required = ({ replicas }: DatabaseHandle): readonly ReplicaHandle[] => decisive(replicas, ({ settings }) => settings.role);

/** A best-effort replica that does not take one is a warning. */
async function snapshotAll(handle: DatabaseHandle, signal: AbortSignal): Promise<Warning[]> {
  const warnings: Warning[] = [];
  for (const replica of handle.replicas) {
    const isRequired = required(handle).includes(replica);
    const { name } = replica.settings;
    try {
      if (!isRequired && replica.status().state === 'failing') warnings.push({ code: 'REPLICA_SKIPPED', message: `replica ${name} fails` });
      else await handle.snapshot(replica, signal);
    } catch (error) {
      if (isRequired || signal.aborted) throw error;
      const { code, message } = errorToData(error);
      warnings.push({ code: 'REPLICA_SKIPPED', message: redact(`replica ${name} has not taken the snapshot (${code}): ${message}`) });
    }
  }
  return warnings;
}

/** Judged at the replicas: local progress alone protects nobody. */
function statusOf(txid: TXID, before: Positions, now: Positions, snapshot: boolean): Output['status'] {
  const isThere = (at: TXID | undefined) => at !== undefined && at >= txid;
  if (now.size === 0 || ![...now.values()].every(isThere)) return 'synced_local';
  return !snapshot && [...before.values()].every(isThere) ? 'no_change' : 'synced';
}
