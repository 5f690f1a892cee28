/** `version`: product, SQLite, formats, protocol revisions. */

import { z } from 'zod';
import { envelope } from '../fields.ts';
import { formatInstant } from '../moment.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

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

export const version = defineVerb({ name: 'version', input, output, effect: 'read', scope: 'read', run });

async function run(world: World, _input: z.output<typeof input>, _call: CallContext): Promise<z.output<typeof output>> {
  const forms = new Set(world.entries.map(({ settings }) => settings.pageForm));
  const form = forms.size > 1 ? 'mixed' : forms.has('frame') ? 'v3-frame' : 'v3-block';
  return {
    as_of: formatInstant(world.clock.now()),
    version: world.version,
    node: process.versions.node,
    ...(world.sqliteVersion === undefined ? {} : { sqlite: world.sqliteVersion }),
    writes: { page_form: form },
    reads: ['v3-block', 'v3-frame'],
    compatible_with: '0.5',
    ...(world.protocol === undefined ? {} : { protocol: { modern: [...world.protocol.modern], legacy: [...world.protocol.legacy] } }),
  };
}
