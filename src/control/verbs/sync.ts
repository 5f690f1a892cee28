/** `sync`: pushes pending changes now; its status compares with the replica. */

import { z } from 'zod';
import { LitestreamError } from '../../base/errors.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import type { DatabaseHandle } from '../../service/service.ts';
import { count, envelope, path, txidOut, waitSeconds } from '../fields.ts';
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
  if (snapshot) for (const replica of handle.replicas) await handle.snapshot(replica, signal);
  const now = positions(handle);
  return {
    as_of: formatInstant(world.clock.now()),
    mode: 'done',
    database: handle.settings.name,
    status: statusOf(after, before, now, snapshot),
    txid: formatTXID(after),
    replicas: [...now].map(([name, txid]) => ({ name, ...(txid === undefined ? {} : { txid: formatTXID(txid) }) })),
    duration_ms: Math.round(world.clock.monotonic() - start),
  };
}

type Positions = ReadonlyMap<string, TXID | undefined>;

const positions = (handle: DatabaseHandle): Positions =>
  new Map(handle.replicas.map((replica) => [replica.settings.name, replica.status().txid]));

/** Judged at the replicas: local progress alone protects nobody. */
function statusOf(txid: TXID, before: Positions, now: Positions, snapshot: boolean): Output['status'] {
  const isThere = (at: TXID | undefined) => at !== undefined && at >= txid;
  if (now.size === 0 || ![...now.values()].every(isThere)) return 'synced_local';
  return !snapshot && [...before.values()].every(isThere) ? 'no_change' : 'synced';
}
