/** Chooses the files of version 0.3 that rebuild a database at a target; pure over a listing (docs/engine.md, Version 0.3 data). */

import { LitestreamError } from '../../base/errors.ts';
import { legacyHex, segmentName } from '../../formats/v3/names.ts';
import {
  type LegacyGeneration,
  type LegacyListing,
  type LegacySegment,
  type LegacySnapshot,
  newestLegacyTime,
  oldestLegacyTime,
} from '../../replica/legacy/listing.ts';
import type { Shortfall } from '../restore/plan.ts';

export type LegacyTarget =
  /** The newest state. */
  | { readonly type: 'latest' }
  /** The last state up to and including this instant (ms since the epoch): unlike LTX files, those of this very instant count. */
  | { readonly type: 'timestamp'; readonly timestamp: number }
  /** The end of the WAL of this index. */
  | { readonly type: 'index'; readonly index: number }
  /** The end of one segment: what an earlier plan reached. A snapshot's own state has no offset. */
  | { readonly type: 'segment'; readonly index: number; readonly offset: number | undefined };

/** A state of version 0.3: the last file that is applied, and its time (ms since the epoch). */
export interface LegacyMoment {
  readonly index: number;
  /** Absent for the snapshot's own state. */
  readonly offset?: number;
  readonly time: number;
}

/** Plain data: may cross a thread. */
export interface LegacyPlan {
  readonly generation: string;
  readonly target: LegacyTarget;
  readonly snapshot: LegacySnapshot;
  /** In the order they are applied. Every WAL begins at offset 0 and none is left out; holes inside one show only when its pieces are read. */
  readonly segments: readonly LegacySegment[];
  readonly reached: LegacyMoment;
  /** Present for a timestamp target. */
  readonly shortfall?: Shortfall;
  /** The next state that could be restored instead. */
  readonly nextPoint?: LegacyMoment;
  readonly totals: { readonly files: number; readonly bytes: number };
}

/**
 * Plans a restore of `generation`, or of the one that reaches the newest state the target allows.
 *
 * Inside a generation the snapshot with the highest index counts, then the segments behind it up to the first that the target excludes.
 * Throws NO_SNAPSHOT (details.files is 0 when there is nothing of version 0.3), TIME_OUT_OF_RANGE, TX_NOT_AVAILABLE for an index that is
 * not there, and LEGACY_INVALID for a hole before the target, naming what is missing.
 */
export function planLegacy(listing: LegacyListing, target: LegacyTarget, generation?: string): LegacyPlan {
  if (generation !== undefined) {
    const found = listing.generations.find(({ id }) => id === generation);
    if (found === undefined) throw unknownGeneration(generation, listing);
    return planGeneration(found, target);
  }
  const [best, ...others] = listing.generations.filter(hasStart(target)).sort((a, b) => lastTime(b, target) - lastTime(a, target));
  if (best === undefined) throw nothingUsable(listing, target);
  try {
    return planGeneration(best, target);
  } catch (error) {
    if (others.length === 0 || !(error instanceof LitestreamError) || error.hint === undefined) throw error;
    // Quietly restoring an older generation would lose what the newer one was asked for.
    throw new LitestreamError(error.code, error.message, {
      cause: error,
      ...(error.details === undefined ? {} : { details: error.details }),
      hint: `${error.hint} Other generations: ${others.map(({ id }) => id).join(', ')}.`,
    });
  }
}

function planGeneration(generation: LegacyGeneration, target: LegacyTarget): LegacyPlan {
  const snapshot = generation.snapshots.findLast((candidate) => isBefore(candidate, target));
  if (snapshot === undefined) throw noStart(generation, target);
  const behind = generation.segments.filter(({ index }) => index >= snapshot.index);
  const segments = cutTail(behind, target);
  refuseHoles(generation.id, snapshot, segments);
  const last = segments.at(-1);
  const reached = last === undefined ? momentOf(snapshot) : momentOf(last);
  refuseShort(generation, target, reached);
  const next = behind[segments.length];
  return {
    generation: generation.id,
    target,
    snapshot,
    segments,
    reached,
    ...(target.type === 'timestamp' ? { shortfall: shortfallOf(target.timestamp, reached, next) } : {}),
    ...(next === undefined ? {} : { nextPoint: momentOf(next) }),
    totals: { files: segments.length + 1, bytes: segments.reduce((sum, { size }) => sum + size, snapshot.size) },
  };
}

/** The state of a snapshot is that of its file; a segment's the end of its piece. */
function momentOf(file: LegacySnapshot | LegacySegment): LegacyMoment {
  return { index: file.index, ...('offset' in file ? { offset: file.offset } : {}), time: file.createdAt };
}

function isBefore(snapshot: LegacySnapshot, target: LegacyTarget): boolean {
  if (target.type === 'timestamp') return snapshot.createdAt <= target.timestamp;
  return target.type === 'latest' || snapshot.index <= target.index;
}

const hasStart =
  (target: LegacyTarget) =>
  ({ snapshots }: LegacyGeneration): boolean =>
    snapshots.some((snapshot) => isBefore(snapshot, target));

/** Up to the first segment the target excludes: what stands behind one that is left out cannot be applied. */
function cutTail(segments: readonly LegacySegment[], target: LegacyTarget): readonly LegacySegment[] {
  const isBeyond = (segment: LegacySegment): boolean => {
    switch (target.type) {
      case 'latest':
        return false;
      case 'timestamp':
        return segment.createdAt > target.timestamp;
      case 'index':
        return segment.index > target.index;
      case 'segment':
        return segment.index > target.index || (segment.index === target.index && segment.offset > (target.offset ?? -1));
    }
  };
  const end = segments.findIndex(isBeyond);
  return end < 0 ? segments : segments.slice(0, end);
}

/** No WAL may be left out, and each begins at offset 0. Whether the pieces of one touch shows their uncompressed length. */
function refuseHoles(generation: string, snapshot: LegacySnapshot, segments: readonly LegacySegment[]): void {
  let previous: LegacySegment | undefined;
  for (const segment of segments) {
    const isNext = previous === undefined ? segment.index === snapshot.index : segment.index === previous.index + 1;
    if (previous?.index !== segment.index && !(isNext && segment.offset === 0)) {
      const index = isNext ? segment.index : previous === undefined ? snapshot.index : previous.index + 1;
      throw missingSegment(generation, { index, offset: 0 }, segment);
    }
    previous = segment;
  }
}

/** The error for a hole: what is missing and which file stands behind it. */
export function missingSegment(
  generation: string,
  missing: { readonly index: number; readonly offset: number },
  behind: { readonly index: number; readonly offset: number },
): LitestreamError {
  return new LitestreamError(
    'LEGACY_INVALID',
    `restoring generation ${generation}: WAL segment ${segmentName(missing)} is missing before ${segmentName(behind)}`,
    {
      details: { generation, missing: segmentName(missing), behind: segmentName(behind) },
      hint: 'Look for the file at the destination; or restore a moment before it with -timestamp, or an earlier WAL with -index.',
    },
  );
}

function refuseShort({ id, snapshots, segments }: LegacyGeneration, target: LegacyTarget, reached: LegacyMoment): void {
  const wanted = target.type === 'index' || target.type === 'segment' ? target.index : reached.index;
  const isWanted = reached.index === wanted && (target.type !== 'segment' || reached.offset === target.offset);
  if (isWanted) return;
  const newest = Math.max(snapshots.at(-1)?.index ?? 0, segments.at(-1)?.index ?? 0);
  throw new LitestreamError('TX_NOT_AVAILABLE', `planning a restore: generation ${id} has no WAL ${legacyHex(wanted)}`, {
    details: { generation: id, newest: legacyHex(newest) },
    hint: `Its newest WAL is ${legacyHex(newest)}; litestream wal lists them.`,
  });
}

function shortfallOf(timestamp: number, reached: LegacyMoment, next: LegacySegment | undefined): Shortfall {
  return { ms: timestamp - reached.time, cause: next === undefined ? 'end' : 'exact' };
}

/** Newest time the target allows: what tells which generation comes nearest to it. */
function lastTime(generation: LegacyGeneration, target: LegacyTarget): number {
  if (target.type !== 'timestamp') return newestLegacyTime(generation);
  return [...generation.snapshots, ...generation.segments].reduce(
    (time, { createdAt }) => (createdAt <= target.timestamp ? Math.max(time, createdAt) : time),
    Number.NEGATIVE_INFINITY,
  );
}

function unknownGeneration(generation: string, { generations }: LegacyListing): LitestreamError {
  return new LitestreamError('NO_SNAPSHOT', `planning a restore: the replica has no generation ${generation}`, {
    details: { files: generations.length === 0 ? 0 : undefined, generations: generations.map(({ id }) => id) },
    hint:
      generations.length === 0
        ? 'It holds no data of version 0.3.'
        : `Generations of version 0.3 there: ${generations.map(({ id }) => id).join(', ')}.`,
  });
}

function nothingUsable({ generations }: LegacyListing, target: LegacyTarget): LitestreamError {
  const [first] = [...generations].sort((a, b) => newestLegacyTime(b) - newestLegacyTime(a));
  if (first !== undefined) return noStart(first, target);
  return new LitestreamError('NO_SNAPSHOT', 'planning a restore: the replica holds no data of version 0.3', { details: { files: 0 } });
}

function noStart(generation: LegacyGeneration, target: LegacyTarget): LitestreamError {
  const { id, snapshots, segments } = generation;
  const [first] = snapshots;
  if (first !== undefined && target.type === 'timestamp') {
    const oldest = isoTime(snapshots.reduce((time, { createdAt }) => Math.min(time, createdAt), Number.POSITIVE_INFINITY));
    const asked = isoTime(target.timestamp);
    return new LitestreamError('TIME_OUT_OF_RANGE', `planning a restore: ${asked} is before the oldest snapshot of generation ${id}`, {
      details: { oldest, newest: isoTime(newestLegacyTime(generation)) },
      hint: `Restorable moments lie from ${oldest} on.`,
    });
  }
  const files = snapshots.length + segments.length;
  const what = first === undefined ? 'no snapshot' : `no snapshot at or before WAL ${legacyHex('index' in target ? target.index : 0)}`;
  return new LitestreamError('NO_SNAPSHOT', `planning a restore: generation ${id} has ${what}`, {
    details: { files, oldest: Number.isFinite(oldestLegacyTime(generation)) ? isoTime(oldestLegacyTime(generation)) : undefined },
    hint: 'WAL segments alone restore nothing; take another generation from the list of `litestream generations`.',
  });
}

/** Clocks and file times can be anything; a date out of JavaScript's range must not break a message. */
function isoTime(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms`;
}
