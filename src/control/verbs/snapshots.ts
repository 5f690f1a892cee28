/** `snapshots`: full images, the files that start at TXID 1 (decision 16). */

import { z } from 'zod';
import { snapshots as snapshotFiles } from '../../engine/restore/lineages.ts';
import { formatTXID } from '../../formats/ltx/txid.ts';
import { count, envelope, generation, instant, pageOut, paging, path, replica, txidOut } from '../fields.ts';
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

export const snapshots = defineVerb({ name: 'snapshots', input, output, effect: 'read', scope: 'read', run });

type Output = z.output<typeof output>;

async function run(world: World, args: z.output<typeof input>, { caller, signal }: CallContext): Promise<Output> {
  const entry = findDatabase(world, caller, args.path);
  const { listings, warnings } = await listReplicas(world, { entry, replica: args.replica, signal });
  // Every file that starts at TXID 1 belongs to the one restorable lineage.
  const wanted = args.generation === undefined || args.generation === 'ltx' ? listings : [];
  const found = wanted.flatMap(({ replica, files }) => snapshotFiles(files).map((file) => ({ replica: replica.name, file })));
  const { items, page } = pageOf(
    found,
    ({ replica, file }) => [numberKey(file.createdAt), formatTXID(file.maxTXID), file.level, replica].join(' '),
    { verb: 'snapshots', input: args },
  );
  return {
    as_of: formatInstant(world.clock.now()),
    ...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
    snapshots: items.map(({ replica, file }) => ({
      database: entry.settings.path,
      replica,
      generation: 'ltx',
      format: 'ltx',
      index: file.maxTXID.toString(),
      min_txid: formatTXID(file.minTXID),
      max_txid: formatTXID(file.maxTXID),
      size: file.size,
      created: formatInstant(file.createdAt),
    })),
    page,
  };
}
