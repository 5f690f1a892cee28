/** `job`: state, progress and result of long work. */

import { z } from 'zod';
import { LitestreamError } from '../../base/errors.ts';
import { envelope, waitSeconds } from '../fields.ts';
import { describeJob } from '../job-facts.ts';
import type { Job } from '../job-work.ts';
import { formatInstant } from '../moment.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import { waitFor } from '../waiting.ts';
import type { World } from '../world.ts';
import { jobOut } from './job-schema.ts';

const input = z.strictObject({
  job_id: z.string().max(200).describe('Left out: own jobs, newest 20').optional(),
  wait_seconds: waitSeconds.describe('Seconds to wait for the end; default 0').optional(),
});

const output = z.strictObject({ ...envelope, job: jobOut.optional(), jobs: z.array(jobOut).optional() });

export const job = defineVerb({ name: 'job', input, output, effect: 'read', scope: 'read', run });

const NEWEST = 20;

async function run(world: World, args: z.output<typeof input>, call: CallContext): Promise<z.output<typeof output>> {
  if (args.job_id === undefined) {
    const jobs = world.jobs.list(call.caller.principal).slice(0, NEWEST).map(describeJob);
    return { as_of: formatInstant(world.clock.now()), jobs };
  }
  const found = findJob(world, call, args.job_id);
  if (args.wait_seconds !== undefined) await waitFor(world, found, { ms: args.wait_seconds * 1000, call, owns: false });
  return { as_of: formatInstant(world.clock.now()), job: describeJob(found) };
}

/** The caller's own job of that id; USAGE otherwise. */
export function findJob(world: World, { caller }: CallContext, id: string): Job {
  const found = world.jobs.find(caller.principal, id);
  if (found) return found;
  throw new LitestreamError('USAGE', 'job_id: there is no such job of yours', {
    details: { argument: 'job_id' },
    hint: 'Call without job_id for a list of your jobs; a restart of the program ends them all.',
  });
}
