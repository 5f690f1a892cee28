/** `repair`: copies missing and damaged files of a replica from other replicas of the same database (docs/engine.md, Several replicas). */

import { z } from 'zod';
import { LitestreamError } from '../../base/errors.ts';
import { path, replica, waitSeconds } from '../fields.ts';
import { findDatabase, findReplicas } from '../lookup.ts';
import { type RepairReport, repairReport } from '../repair-report.ts';
import { repairOne } from '../repair-run.ts';
import { type ReplicaWork, replicaWorkOutput, runOnReplicas } from '../replica-work.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

const input = z.strictObject({
  path: path.optional(),
  replica: replica.describe('Replica to repair; left out: each one').optional(),
  from: z.string().min(1).max(200).describe('Replica to copy from; left out: any other').optional(),
  quick: z.boolean().default(false).describe('Look for holes only, without reading files'),
  dry_run: z.boolean().default(false),
  wait_seconds: waitSeconds.optional(),
});

const output = replicaWorkOutput(repairReport);

export const repair = defineVerb({ name: 'repair', input, output, effect: 'act', scope: 'operate', run });

async function run(world: World, args: z.output<typeof input>, call: CallContext): Promise<z.output<typeof output>> {
  const entry = findDatabase(world, call.caller, args.path);
  const targets = findReplicas(entry, args.replica).filter(({ name }) => args.replica !== undefined || name !== args.from);
  const givers = findReplicas(entry, args.from);
  if (args.from !== undefined && args.from === args.replica) {
    throw new LitestreamError('USAGE', `from: replica ${args.from} cannot be repaired from itself`, { details: { argument: 'from' } });
  }
  const { quick, dry_run: isDryRun, wait_seconds: waitSeconds } = args;
  const each: ReplicaWork<RepairReport>['each'] = (target, context, warnings) => {
    const donors = givers.filter(({ name }) => name !== target.name);
    return repairOne(world, { entry, target, donors, quick, isDryRun }, context, warnings);
  };
  return runOnReplicas(world, { verb: 'repair', entry, targets, isDryRun, waitSeconds, each }, call);
}
