/** `status`: positions, lag, errors and blockers of one database or all (mcp.md §8.2). */

import { z } from 'zod';
import { count, databaseState, envelope, instant, path, replicaState, seconds, txidOut } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';

const input = z.strictObject({ path: path.optional(), detail: z.boolean().optional() });

const replicaOut = z.strictObject({
  name: z.string(),
  type: z.string(),
  state: replicaState,
  txid: txidOut.optional(),
  lag_txids: count.optional(),
  lag_seconds: seconds.optional(),
  pending_bytes: count.optional(),
  last_upload_at: instant.optional(),
  last_confirmed_at: instant.optional(),
  last_error: z
    .strictObject({ code: z.string(), message: z.string(), at: instant, attempts: count, next_try_at: instant.optional() })
    .optional(),
});

const output = z.strictObject({
  ...envelope,
  databases: z.array(
    z.strictObject({
      name: z.string(),
      path: z.string(),
      state: databaseState,
      code: z.string().optional(),
      /** First line of the error behind `code`. */
      message: z.string().optional(),
      since: instant.optional(),
      position: z.strictObject({ txid: txidOut, at: instant.optional() }).optional(),
      size_bytes: count.optional(),
      unprotected_seconds: seconds.optional(),
      loss_budget_seconds: seconds.optional(),
      wal: z.strictObject({ size_bytes: count, pending_bytes: count.optional() }).optional(),
      replicas: z.array(replicaOut),
      checkpoint: z
        .strictObject({
          last_at: instant.optional(),
          mode: z.enum(['PASSIVE', 'TRUNCATE']).optional(),
          blocked_since: instant.optional(),
          worst_write_lock_ms: z.number().optional(),
        })
        .optional(),
      proof: z
        .strictObject({ outcome: z.enum(['passed', 'failed', 'inconclusive']), txid: txidOut.optional(), at: instant, replica: z.string() })
        .optional(),
      retention: z.strictObject({ oldest_point: instant.optional(), snapshot_age_seconds: seconds.optional() }).optional(),
      activity: z.strictObject({ operation: z.string(), phase: z.string().optional(), since: instant }).optional(),
    }),
  ),
});

export const status = defineVerb({ name: 'status', input, output, effect: 'read', scope: 'read', run: notWired });
