/** What a job looks like to its owner. */

import { z } from 'zod';
import { count, instant } from '../fields.ts';

export const jobOut = z.strictObject({
  job_id: z.string(),
  /** `litestream_` and the verb's name. */
  tool: z.string(),
  database: z.string().optional(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted']),
  progress: z
    .strictObject({
      phase: z.string(),
      done: count,
      total: count.optional(),
      unit: z.enum(['bytes', 'pages', 'files']),
      message: z.string(),
    })
    .optional(),
  created_at: instant,
  started_at: instant.optional(),
  ended_at: instant.optional(),
  /** The object the verb would have answered. */
  result: z.record(z.string(), z.unknown()).optional(),
  error: z
    .strictObject({
      code: z.string(),
      message: z.string(),
      hint: z.string().optional(),
      details: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
});

export type JobOut = z.output<typeof jobOut>;
