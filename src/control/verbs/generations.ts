/** `generations`: uninterrupted, restorable runs of each replica, and the gaps between them (mcp.md §8.3, cli.md §10.3). */

import { z } from 'zod';
import { count, envelope, instant, path, replica, seconds, txidOut } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';

const input = z.strictObject({ path: path.optional(), replica: replica.describe('Replica name; left out: all').optional() });

const output = z.strictObject({
  ...envelope,
  generations: z.array(
    z.strictObject({
      database: z.string(),
      replica: z.string(),
      generation: z.string(),
      format: z.enum(['ltx', 'v3']),
      restorable: z.boolean(),
      lag_seconds: seconds.optional(),
      start: instant,
      end: instant,
      min_txid: txidOut.optional(),
      max_txid: txidOut.optional(),
      snapshot_count: count,
      file_count: count,
      bytes: count,
    }),
  ),
  gaps: z.array(z.strictObject({ replica: z.string(), after_txid: txidOut, before_txid: txidOut, reason: z.string().optional() })),
});

export const generations = defineVerb({ name: 'generations', input, output, effect: 'read', scope: 'read', run: notWired });
