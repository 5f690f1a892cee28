/** `databases`: what is configured, in one line each (mcp.md §8.2). */

import { z } from 'zod';
import { count, databaseState, envelope, pageOut, paging, replicaState, seconds, txidOut } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';

const input = z.strictObject({ state: databaseState.optional(), ...paging });

const output = z.strictObject({
  ...envelope,
  databases: z.array(
    z.strictObject({
      name: z.string(),
      path: z.string(),
      state: databaseState,
      code: z.string().optional(),
      size_bytes: count.optional(),
      txid: txidOut.optional(),
      replicas: z.array(
        z.strictObject({
          name: z.string(),
          type: z.string(),
          destination: z.string(),
          state: replicaState,
          lag_seconds: seconds.optional(),
        }),
      ),
    }),
  ),
  page: pageOut,
});

export const databases = defineVerb({ name: 'databases', input, output, effect: 'read', scope: 'read', run: notWired });
