/** `snapshots`: full images, the files that start at TXID 1 (mcp.md §8.3, design decision 16). */

import { z } from 'zod';
import { count, envelope, generation, instant, pageOut, paging, path, replica, txidOut } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';

const input = z.strictObject({
  path: path.optional(),
  replica: replica.describe('Replica name; left out: all').optional(),
  generation: generation.optional(),
  ...paging,
});

const output = z.strictObject({
  ...envelope,
  snapshots: z.array(
    z.strictObject({
      database: z.string(),
      replica: z.string(),
      generation: z.string(),
      format: z.enum(['ltx', 'v3']),
      index: z.string(),
      min_txid: txidOut.optional(),
      max_txid: txidOut.optional(),
      size: count,
      created: instant,
      proven: z.boolean().optional(),
    }),
  ),
  page: pageOut,
});

export const snapshots = defineVerb({ name: 'snapshots', input, output, effect: 'read', scope: 'read', run: notWired });
