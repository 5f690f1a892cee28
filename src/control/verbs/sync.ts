/** `sync`: pushes pending changes now; its status compares with the replica (mcp.md §8.7). */

import { z } from 'zod';
import { count, envelope, path, txidOut, waitSeconds } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';

const input = z.strictObject({
  path,
  wait: z.boolean().default(true).describe('Until a replica has it'),
  snapshot: z.boolean().default(false).describe('Also write a full image'),
  wait_seconds: waitSeconds.optional(),
});

const output = z.strictObject({
  ...envelope,
  mode: z.enum(['running', 'done']),
  job_id: z.string().optional(),
  database: z.string(),
  /** Absent while running. */
  status: z.enum(['synced', 'synced_local', 'no_change']).optional(),
  txid: txidOut.optional(),
  replicas: z.array(z.strictObject({ name: z.string(), txid: txidOut.optional() })).optional(),
  duration_ms: count.optional(),
});

export const sync = defineVerb({ name: 'sync', input, output, effect: 'act', scope: 'operate', run: notWired });
