/** `repair`: copies missing and damaged files of a replica from other replicas of the same database (docs/engine.md, Several replicas). */

import { z } from 'zod';
import { LitestreamError } from '../../base/errors.ts';
import { envelope, path, replica, type Warning, waitSeconds } from '../fields.ts';
import { findDatabase, findReplicas } from '../lookup.ts';
import { formatInstant } from '../moment.ts';
import { type RepairReport, repairReport } from '../repair-report.ts';
import { repairOne } from '../repair-run.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import { patienceOf, resultOf } from '../waiting.ts';
import type { World } from '../world.ts';

const input = z.strictObject({
  path: path.optional(),
  replica: replica.describe('Replica to repair; left out: each one').optional(),
  from: z.string().min(1).max(200).describe('Replica to copy from; left out: any other').optional(),
  quick: z.boolean().default(false).describe('Look for holes only, without reading files'),
  dry_run: z.boolean().default(false),
  wait_seconds: waitSeconds.optional(),
});

const output = z.strictObject({
  ...envelope,
  mode: z.enum(['running', 'done']),
  job_id: z.string().optional(),
  database: z.string(),
  dry_run: z.boolean(),
  replicas: z.array(repairReport).optional(),
});

export const repair = defineVerb({ name: 'repair', input, output, effect: 'act', scope: 'operate', run });

type Input = z.output<typeof input>;
type Output = z.output<typeof output>;

async function run(world: World, args: Input, call: CallContext): Promise<Output> {
  const entry = findDatabase(world, call.caller, args.path);
  const targets = findReplicas(entry, args.replica).filter(({ name }) => args.replica !== undefined || name !== args.from);
  const givers = findReplicas(entry, args.from);
  if (args.from !== undefined && args.from === args.replica) {
    throw new LitestreamError('USAGE', `from: replica ${args.from} cannot be repaired from itself`, { details: { argument: 'from' } });
  }
  const { quick, dry_run: isDryRun } = args;
  const facts = { database: entry.settings.name, dry_run: isDryRun };
  const job = world.jobs.start<Output>({
    principal: call.caller.principal,
    verb: 'repair',
    database: entry.settings.name,
    lane: `repair ${entry.settings.path}`,
    heavy: true,
    run: async (context) => {
      const warnings: Warning[] = [];
      const replicas: RepairReport[] = [];
      for (const target of targets) {
        const donors = givers.filter(({ name }) => name !== target.name);
        replicas.push(await repairOne(world, { entry, target, donors, quick, isDryRun }, context, warnings));
      }
      const told = warnings.length === 0 ? {} : { warnings };
      return { as_of: formatInstant(world.clock.now()), ...told, mode: 'done', ...facts, replicas };
    },
  });
  const result = await resultOf(world, job, { ms: patienceOf(args.wait_seconds, call), call });
  return result ?? { as_of: formatInstant(world.clock.now()), mode: 'running', job_id: job.id, ...facts };
}
