/** `verify`: restores to scratch, checks, and compares with the live database (mcp.md §8.5, design decision 25). */

import { z } from 'zod';
import { count, envelope, path, replica, timestamp, txid, txidOut, waitSeconds } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';

const input = z.strictObject({
  path: path.optional(),
  replica: replica.optional(),
  timestamp: timestamp.optional(),
  txid: txid.optional(),
  check: z.enum(['quick', 'full']).default('quick'),
  compare: z.enum(['auto', 'live', 'none']).default('auto'),
  wait_seconds: waitSeconds.optional(),
});

const outcome = z.enum(['passed', 'failed', 'inconclusive']);

const output = z.strictObject({
  ...envelope,
  mode: z.enum(['running', 'done']),
  job_id: z.string().optional(),
  database: z.string(),
  replica: z.string(),
  /** Absent while running, like everything below. */
  outcome: outcome.optional(),
  txid: txidOut.optional(),
  checks: z.array(z.strictObject({ name: z.enum(['chain', 'checksums', 'integrity', 'pages']), outcome, detail: z.string() })).optional(),
  pages_compared: count.optional(),
  bytes_read: count.optional(),
  duration_ms: count.optional(),
  recorded: z.boolean().optional(),
  reason: z.string().optional(),
});

export const verify = defineVerb({ name: 'verify', input, output, effect: 'scratch', scope: 'read', run: notWired });
