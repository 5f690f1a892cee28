/** `points`: which moments can be reached, how finely, and how much changed between (mcp.md §8.2). */

import { z } from 'zod';
import { count, envelope, instant, pageOut, paging, path, replica, seconds, timestamp, txidOut } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';

const input = z.strictObject({
  path: path.optional(),
  replica: replica.optional(),
  from: timestamp.describe('Earliest moment: RFC 3339 or an age').optional(),
  to: timestamp.describe('Latest moment: RFC 3339 or an age').optional(),
  around: timestamp.describe('Nearest 10 points on both sides of this moment').optional(),
  step: z.enum(['auto', 'all', 'minute', 'hour', 'day']).default('auto'),
  ...paging,
});

const output = z.strictObject({
  ...envelope,
  database: z.string(),
  replica: z.string(),
  points: z.array(
    z.strictObject({
      txid: txidOut,
      time: instant,
      width_seconds: seconds.optional(),
      transactions: count,
      changed_bytes: count,
      level: count,
      generation: z.string(),
    }),
  ),
  coverage: z.strictObject({
    oldest: instant.optional(),
    newest: instant.optional(),
    gaps: z.array(z.strictObject({ from: instant, to: instant })),
    fine_since: instant.optional(),
  }),
  page: pageOut,
});

export const points = defineVerb({ name: 'points', input, output, effect: 'read', scope: 'read', run: notWired });
