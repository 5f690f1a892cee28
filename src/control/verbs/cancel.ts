/** `cancel`: stops a job of the caller's own; for one that has ended it says so. */

import { z } from 'zod';
import { envelope } from '../fields.ts';
import { describeJob } from '../job-facts.ts';
import { formatInstant } from '../moment.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';
import { findJob } from './job.ts';
import { jobOut } from './job-schema.ts';

const input = z.strictObject({ job_id: z.string().min(1).max(200) });

const output = z.strictObject({
  ...envelope,
  job: jobOut,
  /** The job had ended before; nothing was cancelled. */
  already_ended: z.boolean(),
});

/** Stays open in read-only mode: nobody but the job's owner loses anything. */
export const cancel = defineVerb({ name: 'cancel', input, output, effect: 'act', scope: 'read', selfGated: true, run });

async function run(world: World, args: z.output<typeof input>, call: CallContext): Promise<z.output<typeof output>> {
  const found = findJob(world, call, args.job_id);
  const stopped = await world.jobs.cancel(found);
  return { as_of: formatInstant(world.clock.now()), job: describeJob(found), already_ended: !stopped };
}
