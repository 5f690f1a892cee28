/** `job`: state, progress and result of long work (mcp.md §8.2). */

import { z } from 'zod';
import { envelope, waitSeconds } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';
import { jobOut } from './job-schema.ts';

const input = z.strictObject({
  job_id: z.string().max(200).describe('Left out: own jobs, newest 20').optional(),
  wait_seconds: waitSeconds.describe('Seconds to wait for the end; default 0').optional(),
});

const output = z.strictObject({ ...envelope, job: jobOut.optional(), jobs: z.array(jobOut).optional() });

export const job = defineVerb({ name: 'job', input, output, effect: 'read', scope: 'read', run: notWired });
