/** `ltx`: the files of a replica by level, and their totals (mcp.md §8.3). */

import { z } from 'zod';
import { count, envelope, instant, pageOut, paging, path, replica, timestamp, txid, txidOut, whole } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';

const input = z.strictObject({
  path: path.optional(),
  replica: replica.describe('Replica name; left out: all').optional(),
  level: whole(0, 9).describe('0 raw, 1 to 8 compacted, 9 snapshots; left out: all').optional(),
  from: timestamp.describe('Earliest creation time: RFC 3339 or an age').optional(),
  to: timestamp.describe('Latest creation time: RFC 3339 or an age').optional(),
  min_txid: txid.optional(),
  max_txid: txid.optional(),
  ...paging,
});

const output = z.strictObject({
  ...envelope,
  files: z.array(
    z.strictObject({ replica: z.string(), level: count, min_txid: txidOut, max_txid: txidOut, size: count, created: instant }),
  ),
  totals: z.array(z.strictObject({ replica: z.string(), level: count, files: count, bytes: count, oldest: instant, newest: instant })),
  page: pageOut,
});

export const ltx = defineVerb({ name: 'ltx', input, output, effect: 'read', scope: 'read', run: notWired });
