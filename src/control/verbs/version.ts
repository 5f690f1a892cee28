/** `version`: product, SQLite, formats, protocol revisions (mcp.md §8.2). */

import { z } from 'zod';
import { envelope } from '../fields.ts';
import { defineVerb, notWired } from '../verb.ts';

const input = z.strictObject({});

const output = z.strictObject({
  ...envelope,
  version: z.string(),
  node: z.string(),
  sqlite: z.string().optional(),
  writes: z.strictObject({ page_form: z.enum(['v3-block', 'v3-frame', 'mixed']) }),
  reads: z.array(z.string()),
  compatible_with: z.string(),
  /** Revisions the MCP doors speak, where this program has such doors. */
  protocol: z.strictObject({ modern: z.array(z.string()), legacy: z.array(z.string()) }).optional(),
});

export const version = defineVerb({ name: 'version', input, output, effect: 'read', scope: 'read', run: notWired });
