/** `ltx`: the files of a replica by level, and their totals. */

import { z } from 'zod';
import { formatTXID, parseTXID } from '../../formats/ltx/txid.ts';
import { type FileInfo, LEVELS } from '../../replica/file-info.ts';
import { count, envelope, instant, pageOut, paging, path, replica, timestamp, txid, txidOut, whole } from '../fields.ts';
import { type Listing, listReplicas } from '../listings.ts';
import { findDatabase } from '../lookup.ts';
import { formatInstant, parseMoment } from '../moment.ts';
import { numberKey, pageOf } from '../paging.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

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

export const ltx = defineVerb({ name: 'ltx', input, output, effect: 'read', scope: 'read', run });

type Output = z.output<typeof output>;
type Input = z.output<typeof input>;

async function run(world: World, args: Input, { caller, signal }: CallContext): Promise<Output> {
  const entry = findDatabase(world, caller, args.path);
  const isWanted = filterOf(args, world.clock.now());
  const all = await listReplicas(world, { entry, replica: args.replica, signal });
  const listings = all.listings.map((listing) => ({ ...listing, files: listing.files.filter(isWanted) }));
  const files = listings.flatMap((listing) => listing.files.map((file) => ({ replica: listing.replica.name, file })));
  const { items, page } = pageOf(
    files,
    ({ replica, file }) => [numberKey(file.createdAt), formatTXID(file.maxTXID), formatTXID(file.minTXID), file.level, replica].join(' '),
    { verb: 'ltx', input: args },
  );
  return {
    as_of: formatInstant(world.clock.now()),
    ...(all.warnings.length === 0 ? {} : { warnings: [...all.warnings] }),
    files: items.map(({ replica, file }) => ({
      replica,
      level: file.level,
      min_txid: formatTXID(file.minTXID),
      max_txid: formatTXID(file.maxTXID),
      size: file.size,
      created: formatInstant(file.createdAt),
    })),
    totals: listings.flatMap(totalsOf),
    page,
  };
}

/** Times bound the creation, TXIDs the range: a file counts when it holds any of the transactions asked for. */
function filterOf(args: Input, now: number): (file: FileInfo) => boolean {
  const from = args.from === undefined ? Number.NEGATIVE_INFINITY : parseMoment(args.from, now, 'from');
  const to = args.to === undefined ? Number.POSITIVE_INFINITY : parseMoment(args.to, now, 'to');
  const min = args.min_txid === undefined ? undefined : parseTXID(args.min_txid);
  const max = args.max_txid === undefined ? undefined : parseTXID(args.max_txid);
  return (file) =>
    (args.level === undefined || file.level === args.level) &&
    file.createdAt >= from &&
    file.createdAt <= to &&
    (min === undefined || file.maxTXID >= min) &&
    (max === undefined || file.minTXID <= max);
}

function totalsOf({ replica, files }: Listing): Output['totals'] {
  return LEVELS.flatMap((level) => {
    const own = files.filter((file) => file.level === level);
    if (own.length === 0) return [];
    const times = own.map(({ createdAt }) => createdAt);
    const earliest = times.reduce((a, b) => Math.min(a, b));
    const latest = times.reduce((a, b) => Math.max(a, b));
    const bytes = own.reduce((sum, { size }) => sum + size, 0);
    return [{ replica: replica.name, level, files: own.length, bytes, oldest: formatInstant(earliest), newest: formatInstant(latest) }];
  });
}
