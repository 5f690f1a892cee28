/** `points`: which moments can be reached, how finely, and how much changed between. */

import { z } from 'zod';
import { coverage, type RestorePoint, restorablePoints } from '../../engine/restore/points.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import { count, envelope, instant, pageOut, paging, path, replica, seconds, timestamp, toCount, txidOut } from '../fields.ts';
import { bestListing, listReplicas } from '../listings.ts';
import { findDatabase } from '../lookup.ts';
import { formatInstant, parseMoment, toSeconds } from '../moment.ts';
import { pageOf } from '../paging.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

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

export const points = defineVerb({ name: 'points', input, output, effect: 'read', scope: 'read', run });

type Output = z.output<typeof output>;
type Input = z.output<typeof input>;

/** Points on either side of `around`. */
const AROUND = 10;
const STEPS = [
  ['all', 0],
  ['minute', 60_000],
  ['hour', 3_600_000],
  ['day', 86_400_000],
] as const;

/** A reachable moment and what lies between it and the one before. */
interface Step {
  readonly point: RestorePoint;
  readonly widthMs: number | undefined;
  readonly transactions: number;
  readonly bytes: number;
}

async function run(world: World, args: Input, { caller, signal }: CallContext): Promise<Output> {
  const entry = findDatabase(world, caller, args.path);
  const { listings, warnings } = await listReplicas(world, { entry, replica: args.replica, signal });
  const best = bestListing(listings);
  const files = best?.files ?? [];
  const steps = chooseSteps(stepsOf(files), args, world.clock.now());
  const { items, page } = pageOf(steps, ({ point }) => formatTXID(point.txid), { verb: 'points', input: args });
  return {
    as_of: formatInstant(world.clock.now()),
    ...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
    database: entry.settings.name,
    replica: best?.replica.name ?? '',
    points: items.map(describe),
    coverage: describeCoverage(files),
    page,
  };
}

function stepsOf(files: readonly FileInfo[]): Step[] {
  const smallest = new Map<TXID, number>();
  for (const { maxTXID, size } of files) smallest.set(maxTXID, Math.min(size, smallest.get(maxTXID) ?? Number.POSITIVE_INFINITY));
  return restorablePoints(files).map((point, index, points) => {
    const before = points[index - 1];
    return {
      point,
      widthMs: before && Math.max(0, point.time - before.time),
      transactions: toCount(point.width),
      bytes: smallest.get(point.txid) ?? 0,
    };
  });
}

function chooseSteps(steps: readonly Step[], args: Input, now: number): Step[] {
  const from = args.from === undefined ? Number.NEGATIVE_INFINITY : parseMoment(args.from, now, 'from');
  const to = args.to === undefined ? Number.POSITIVE_INFINITY : parseMoment(args.to, now, 'to');
  const inside = steps.filter(({ point }) => point.time >= from && point.time <= to);
  if (args.around !== undefined) {
    const around = parseMoment(args.around, now, 'around');
    const before = inside.filter(({ point }) => point.time < around);
    const after = inside.filter(({ point }) => point.time >= around);
    return [...before.slice(-AROUND), ...after.slice(0, AROUND)];
  }
  if (args.step !== 'auto') return merge(inside, STEPS.find(([name]) => name === args.step)?.[1] ?? 0);
  for (const [, width] of STEPS) {
    const merged = merge(inside, width);
    if (merged.length <= args.limit || width === 86_400_000) return merged;
  }
  return inside;
}

/** The last point of every span of `widthMs`, with what it stands for summed up; 0 leaves all. */
function merge(steps: readonly Step[], widthMs: number): Step[] {
  if (widthMs === 0) return [...steps];
  const merged: Step[] = [];
  for (const step of steps) {
    const last = merged.at(-1);
    if (last === undefined || Math.floor(last.point.time / widthMs) !== Math.floor(step.point.time / widthMs)) merged.push(step);
    else {
      const wide = last.widthMs === undefined || step.widthMs === undefined ? undefined : last.widthMs + step.widthMs;
      merged[merged.length - 1] = {
        point: step.point,
        widthMs: wide,
        transactions: last.transactions + step.transactions,
        bytes: last.bytes + step.bytes,
      };
    }
  }
  return merged;
}

function describe({ point, widthMs, transactions, bytes }: Step): Output['points'][number] {
  return {
    txid: formatTXID(point.txid),
    time: formatInstant(point.time),
    ...(widthMs === undefined ? {} : { width_seconds: toSeconds(widthMs) }),
    transactions,
    changed_bytes: bytes,
    level: point.level,
    generation: 'ltx',
  };
}

function describeCoverage(files: readonly FileInfo[]): Output['coverage'] {
  const { oldest, newest, gaps, fineSince } = coverage(files);
  return {
    ...(oldest === undefined ? {} : { oldest: formatInstant(oldest.time) }),
    ...(newest === undefined ? {} : { newest: formatInstant(newest.time) }),
    gaps: gaps.flatMap(({ after, before }) =>
      after === undefined || before === undefined ? [] : [{ from: formatInstant(after), to: formatInstant(before) }],
    ),
    ...(fineSince === undefined ? {} : { fine_since: formatInstant(fineSince) }),
  };
}
