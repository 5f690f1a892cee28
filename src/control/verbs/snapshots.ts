/** `snapshots`: full images, the files that start at TXID 1 (decision 16). */

import { z } from 'zod';
import { snapshots as snapshotFiles } from '../../engine/restore/lineages.ts';
import { formatTXID } from '../../formats/ltx/txid.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import { count, envelope, generation, instant, pageOut, paging, path, replica, txidOut } from '../fields.ts';
import { type Listing, listReplicas } from '../listings.ts';
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
  const { listings, warnings } = await listReplicas(world, { entry, replica: args.replica, signal, legacy: true });
  const old = listings.flatMap((listing) => legacyRows(listing, args.generation));
  // Every file that starts at TXID 1 belongs to the one restorable lineage.
  const wanted = args.generation === undefined || args.generation === 'ltx' ? listings : [];
  const found = wanted.flatMap((listing) => snapshotFiles(listing.files).map((file) => ltxRow(listing, file)));
  const { items, page } = pageOf([...old, ...found], ({ key }) => key, { verb: 'snapshots', input: args });
  return {
    as_of: formatInstant(world.clock.now()),
    ...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
    snapshots: items.map(({ row }) => ({ database: entry.settings.path, ...row })),
    page,
  };
}

/** A row and what orders it: its time first. */
interface Keyed {
  readonly key: string;
  readonly row: Omit<Output['snapshots'][number], 'database'>;
}

function ltxRow({ replica: { name } }: Listing, file: FileInfo): Keyed {
  const { minTXID, maxTXID, level, size, createdAt } = file;
  return {
    key: [numberKey(createdAt), formatTXID(maxTXID), level, name].join(' '),
    row: {
      replica: name,
      generation: 'ltx',
      format: 'ltx',
      index: maxTXID.toString(),
      min_txid: formatTXID(minTXID),
      max_txid: formatTXID(maxTXID),
      size,
      created: formatInstant(createdAt),
    },
  };
}

/** Snapshots of version 0.3; their index is the number of the WAL behind them, in decimal as that version printed it. */
function legacyRows({ replica: { name }, legacy }: Listing, wanted: string | undefined): Keyed[] {
  const generations = legacy.generations.filter(({ id }) => wanted === undefined || wanted === id);
  return generations.flatMap(({ id, snapshots: files }) =>
    files.map(({ index, size, createdAt }) => ({
      key: [numberKey(Math.round(createdAt)), id, numberKey(index), name].join(' '),
      row: { replica: name, generation: id, format: 'v3', index: String(index), size, created: formatInstant(createdAt) },
    })),
  );
}
