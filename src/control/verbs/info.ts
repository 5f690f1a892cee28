/** `info`: is everything protected, who am I here, what is worst (mcp.md §8.2). */

import { z } from 'zod';
import { count, databaseState, envelope, instant, seconds } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';

const input = z.strictObject({});

const output = z.strictObject({
  ...envelope,
  server: z.strictObject({
    version: z.string(),
    /** Absent offline. */
    pid: count.optional(),
    started_at: instant.optional(),
    uptime_seconds: seconds.optional(),
    read_only: z.boolean(),
    attached: z.enum(['daemon', 'offline']),
    /** Revision spoken in this session, where a door has one. */
    protocol: z.string().optional(),
  }),
  caller: z.strictObject({
    name: z.string(),
    scopes: z.array(z.string()),
    confirm: z.enum(['auto', 'elicit', 'operator']),
    toolsets: z.array(z.string()).optional(),
  }),
  databases: z.strictObject({
    total: count,
    replicating: count,
    waiting: count,
    starting: count,
    degraded: count,
    failing: count,
    stopped: count,
  }),
  worst: z.array(
    z.strictObject({
      database: z.string(),
      state: databaseState,
      code: z.string().optional(),
      since: instant.optional(),
      lag_seconds: seconds.optional(),
      unprotected_seconds: seconds.optional(),
    }),
  ),
  proof: z.strictObject({ proven: count, unproven: count, failed: count, oldest_proof_at: instant.optional() }),
  jobs: z.strictObject({ running: count, queued: count }),
});

export const info = defineVerb({ name: 'info', input, output, effect: 'read', scope: 'read', run: notWired });
