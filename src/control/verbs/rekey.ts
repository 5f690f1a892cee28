/** `rekey`: encrypts every file of a replica for the recipients it has now (docs/engine.md, Encryption). */

import { z } from 'zod';
import { path, replica, waitSeconds } from '../fields.ts';
import { findDatabase, findDestinations } from '../lookup.ts';
import { rekeyReport } from '../rekey-report.ts';
import { rekeyOne } from '../rekey-run.ts';
import { replicaWorkOutput, runOnReplicas } from '../replica-work.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

const input = z.strictObject({
  path: path.optional(),
  replica: replica.describe('Replica to encrypt anew; left out: each one that is encrypted').optional(),
  dry_run: z.boolean().default(false),
  wait_seconds: waitSeconds.optional(),
});

const output = replicaWorkOutput(rekeyReport);

export const rekey = defineVerb({ name: 'rekey', input, output, effect: 'act', scope: 'operate', run });

async function run(world: World, args: z.output<typeof input>, call: CallContext): Promise<z.output<typeof output>> {
  const entry = findDatabase(world, call.caller, args.path);
  const targets = await findDestinations(entry, args.replica);
  const { dry_run: isDryRun, wait_seconds: waitSeconds } = args;
  return runOnReplicas(
    world,
    {
      verb: 'rekey',
      entry,
      targets,
      isDryRun,
      waitSeconds,
      each: (target, context) => rekeyOne(world, { entry, target, isDryRun }, context),
    },
    call,
  );
}
