/** `generations`: uninterrupted, restorable runs of each replica, and the gaps between them. */

import { z } from 'zod';
import { type Lineage, lineages } from '../../engine/restore/lineages.ts';
import { coverage } from '../../engine/restore/points.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import { newestLegacyTime } from '../../replica/legacy/listing.ts';
import type { DatabaseEntry } from '../../service/options.ts';
import { count, envelope, instant, path, replica, seconds, txidOut } from '../fields.ts';
import { legacyGenerations } from '../legacy-listings.ts';
import { type Listing, listReplicas } from '../listings.ts';
import { readLocalFacts } from '../local-files.ts';
import { findDatabase, handleOf } from '../lookup.ts';
import { formatInstant, roundSeconds } from '../moment.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

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

export const generations = defineVerb({ name: 'generations', input, output, effect: 'read', scope: 'read', run });

type Output = z.output<typeof output>;

async function run(world: World, args: z.output<typeof input>, { caller, signal }: CallContext): Promise<Output> {
  const entry = findDatabase(world, caller, args.path);
  const { listings, warnings } = await listReplicas(world, { entry, replica: args.replica, signal, legacy: true });
  const generations: Output['generations'] = [];
  for (const listing of listings) {
    const found = lineages(listing.files);
    const lag = await lagOf(world, entry, listing);
    const old = legacyGenerations(listing);
    for (const facts of old) {
      const behind = found.length === 0 && facts === old.at(-1) ? lag : undefined;
      generations.push({ database: entry.settings.path, ...facts, ...(behind === undefined ? {} : { lag_seconds: roundSeconds(behind) }) });
    }
    for (const lineage of found)
      generations.push(describe(entry, listing.replica.name, lineage, lineage === found.at(-1) ? lag : undefined));
  }
  return {
    as_of: formatInstant(world.clock.now()),
    ...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
    generations,
    gaps: listings.flatMap(({ replica, files }) =>
      coverage(files).gaps.map(({ first, last }) => ({
        replica: replica.name,
        after_txid: formatTXID((first - 1n) as TXID),
        before_txid: formatTXID((last + 1n) as TXID),
      })),
    ),
  };
}

function describe(entry: DatabaseEntry, replica: string, lineage: Lineage, lag: number | undefined): Output['generations'][number] {
  return {
    database: entry.settings.path,
    replica,
    generation: lineage.id,
    format: 'ltx',
    restorable: lineage.restorable,
    ...(lag === undefined ? {} : { lag_seconds: roundSeconds(lag) }),
    start: formatInstant(lineage.start),
    end: formatInstant(lineage.end),
    min_txid: formatTXID(lineage.minTXID),
    max_txid: formatTXID(lineage.maxTXID),
    snapshot_count: lineage.snapshots,
    file_count: lineage.files,
    bytes: lineage.bytes,
  };
}

/** Seconds the newest lineage is behind: as measured where replication runs, otherwise the last change of the files minus the newest file. */
async function lagOf(world: World, entry: DatabaseEntry, { replica, files, legacy }: Listing): Promise<number | undefined> {
  const running = handleOf(world, entry)?.replicas.find(({ settings }) => settings.name === replica.name);
  // Replication writes LTX files: what version 0.3 left does not get newer by it.
  if (running && files.length > 0) return running.status().lagSeconds;
  const { changedAt } = await readLocalFacts(entry.settings);
  const old = legacy.generations.map(newestLegacyTime);
  const newest = (files.length > 0 ? files.map((file) => file.createdAt) : old).reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (changedAt === undefined || newest === Number.NEGATIVE_INFINITY) return undefined;
  return Math.max(0, changedAt - newest) / 1000;
}
