/** `cancel`: stops a job of the caller's own; for one that has ended it says so (mcp.md §8.2). */

import { z } from 'zod';
import { envelope } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';
import { jobOut } from './job-schema.ts';

const input = z.strictObject({ job_id: z.string().min(1).max(200) });

const output = z.strictObject({
  ...envelope,
  job: jobOut,
  /** The job had ended before; nothing was cancelled. */
  already_ended: z.boolean(),
});

/** Stays open in read-only mode: nobody but the job's owner loses anything. */
export const cancel = defineVerb({ name: 'cancel', input, output, effect: 'act', scope: 'read', selfGated: true, run: notWired });
