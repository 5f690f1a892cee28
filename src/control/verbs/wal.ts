/** `wal`: the WAL segments that version 0.3 left at the replicas. */

import { z } from 'zod';
import { segmentName } from '../../formats/v3/names.ts';
import { count, envelope, generation, instant, pageOut, paging, path, replica } from '../fields.ts';
import { listReplicas } from '../listings.ts';
import { findDatabase } from '../lookup.ts';
import { formatInstant } from '../moment.ts';
import { numberKey, pageOf } from '../paging.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

const input = z.strictObject({
  path: path.optional(),
  replica: replica.describe('Replica name; left out: all').optional(),
  generation: generation.optional(),
  ...paging,
});

const output = z.strictObject({
  ...envelope,
  segments: z.array(
    z.strictObject({
      database: z.string(),
      replica: z.string(),
      generation: z.string(),
      /** Number of the WAL, and where in it the piece begins, bytes. */
      index: count,
      offset: count,
      /** Both as in the file's name. */
      name: z.string(),
      size: count,
      created: instant,
    }),
  ),
  page: pageOut,
});

export const wal = defineVerb({ name: 'wal', input, output, effect: 'read', scope: 'read', run });

async function run(world: World, args: z.output<typeof input>, { caller, signal }: CallContext): Promise<z.output<typeof output>> {
  const entry = findDatabase(world, caller, args.path);
  const { listings, warnings } = await listReplicas(world, { entry, replica: args.replica, signal, legacy: true });
  const found = listings.flatMap(({ replica: { name }, legacy }) =>
    legacy.generations
      .filter(({ id }) => args.generation === undefined || args.generation === id)
      .flatMap(({ id, segments }) => segments.map((segment) => ({ replica: name, generation: id, segment }))),
  );
  const { items, page } = pageOf(
    found,
    (row) => [row.replica, row.generation, numberKey(row.segment.index), numberKey(row.segment.offset)].join(' '),
    { verb: 'wal', input: args },
  );
  return {
    as_of: formatInstant(world.clock.now()),
    ...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
    segments: items.map(({ segment, ...where }) => ({
      database: entry.settings.path,
      ...where,
      index: segment.index,
      offset: segment.offset,
      name: segmentName(segment),
      size: segment.size,
      created: formatInstant(segment.createdAt),
    })),
    page,
  };
}
