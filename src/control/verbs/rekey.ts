/** `rekey`: encrypts every file of a replica for the recipients it has now (docs/engine.md, Encryption). */

import { z } from 'zod';
import { envelope, path, replica, waitSeconds } from '../fields.ts';
import { findDatabase, findDestinations } from '../lookup.ts';
import { formatInstant } from '../moment.ts';
import { type RekeyReport, rekeyReport } from '../rekey-report.ts';
import { rekeyOne } from '../rekey-run.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import { patienceOf, resultOf } from '../waiting.ts';
import type { World } from '../world.ts';

const input = z.strictObject({
  path: path.optional(),
  replica: replica.describe('Replica to encrypt anew; left out: each one that is encrypted').optional(),
  dry_run: z.boolean().default(false),
  wait_seconds: waitSeconds.optional(),
});

const output = z.strictObject({
  ...envelope,
  mode: z.enum(['running', 'done']),
  job_id: z.string().optional(),
  database: z.string(),
  dry_run: z.boolean(),
  replicas: z.array(rekeyReport).optional(),
});

export const rekey = defineVerb({ name: 'rekey', input, output, effect: 'act', scope: 'operate', run });

type Output = z.output<typeof output>;

async function run(world: World, args: z.output<typeof input>, call: CallContext): Promise<Output> {
  const entry = findDatabase(world, call.caller, args.path);
  const targets = await findDestinations(entry, args.replica);
  const { dry_run: isDryRun } = args;
  const facts = { database: entry.settings.name, dry_run: isDryRun };
  const job = world.jobs.start<Output>({
    principal: call.caller.principal,
    verb: 'rekey',
    database: entry.settings.name,
    // A repair writes the same files.
    lane: `repair ${entry.settings.path}`,
    heavy: true,
    run: async (context) => {
      const replicas: RekeyReport[] = [];
      for (const target of targets) replicas.push(await rekeyOne(world, { entry, target, isDryRun }, context));
      return { as_of: formatInstant(world.clock.now()), mode: 'done', ...facts, replicas };
    },
  });
  const result = await resultOf(world, job, { ms: patienceOf(args.wait_seconds, call), call });
  return result ?? { as_of: formatInstant(world.clock.now()), mode: 'running', job_id: job.id, ...facts };
}
