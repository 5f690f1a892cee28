/** The states a listing can restore, and how finely time is covered by them. Pure. */

import type { TXID } from '../../formats/ltx/txid.ts';
import { type FileInfo, type Level, MIN_FILE_SIZE } from '../../replica/file-info.ts';
import { buildChains, timesByTXID } from './chains.ts';
import type { Moment } from './plan.ts';

export interface RestorePoint extends Moment {
  /** Lowest level of a file that ends here. */
  readonly level: Level;
  /** Transactions since the restorable point before; 1 is the finest. */
  readonly width: bigint;
}

/** Transactions no restorable chain passes. Both ends belong to the gap. */
export interface Gap {
  readonly first: TXID;
  readonly last: TXID;
  /** Creation time of the last file before and of the first file after, ms since the epoch. */
  readonly after?: number;
  readonly before?: number;
}

export interface Coverage {
  readonly oldest?: RestorePoint;
  readonly newest?: RestorePoint;
  readonly gaps: readonly Gap[];
  /** From this time (ms since the epoch) to the newest point every transaction can be restored. */
  readonly fineSince?: number;
}

/** Every distinct restorable state, in TXID order. */
export function restorablePoints(listing: readonly FileInfo[]): RestorePoint[] {
  const files = listing.filter((file) => file.size >= MIN_FILE_SIZE);
  const times = timesByTXID(files);
  const levels = new Map<TXID, Level>();
  for (const file of files) {
    const known = levels.get(file.maxTXID);
    if (known === undefined || file.level < known) levels.set(file.maxTXID, file.level);
  }
  let previous = 0n;
  return buildChains(files).map(({ txid, last }) => {
    const width = txid - previous;
    previous = txid;
    return { txid, time: times.get(txid) ?? last.createdAt, level: levels.get(txid) ?? last.level, width };
  });
}

/** Oldest and newest point, the holes, and since when nothing is merged. */
export function coverage(listing: readonly FileInfo[]): Coverage {
  const points = restorablePoints(listing);
  const oldest = points[0];
  const newest = points.at(-1);
  const fine = points.slice(
    Math.max(
      0,
      points.findLastIndex((point) => point.width > 1n),
    ),
  );
  return {
    ...(oldest === undefined ? {} : { oldest }),
    ...(newest === undefined ? {} : { newest }),
    gaps: fileRuns(listing).flatMap(gapBefore),
    ...(fine[0] === undefined ? {} : { fineSince: fine[0].time }),
  };
}

/** Files whose ranges touch or overlap, and the range they cover together. */
export interface FileRun {
  readonly minTXID: TXID;
  readonly maxTXID: TXID;
  readonly files: readonly FileInfo[];
}

/** Splits a listing where transactions are missing; in TXID order. */
export function fileRuns(listing: readonly FileInfo[]): FileRun[] {
  const runs: { minTXID: TXID; maxTXID: TXID; files: FileInfo[] }[] = [];
  const files = listing.filter((file) => file.size >= MIN_FILE_SIZE);
  for (const file of files.sort((a, b) => (a.minTXID < b.minTXID ? -1 : 1))) {
    const run = runs.at(-1);
    if (run === undefined || file.minTXID > run.maxTXID + 1n) {
      runs.push({ minTXID: file.minTXID, maxTXID: file.maxTXID, files: [file] });
    } else {
      run.files.push(file);
      if (file.maxTXID > run.maxTXID) run.maxTXID = file.maxTXID;
    }
  }
  return runs;
}

function gapBefore(run: FileRun, index: number, runs: readonly FileRun[]): Gap[] {
  const previous = runs[index - 1];
  const first = ((previous?.maxTXID ?? 0n) + 1n) as TXID;
  if (run.minTXID <= first) return [];
  const after = previous && newestTime(previous.files);
  return [
    {
      first,
      last: (run.minTXID - 1n) as TXID,
      ...(after === undefined ? {} : { after }),
      before: oldestTime(run.files),
    },
  ];
}

/** Smallest creation time, ms since the epoch; Infinity for no files. */
export const oldestTime = (files: readonly FileInfo[]): number => files.reduce((time, file) => Math.min(time, file.createdAt), Infinity);

/** Largest creation time, ms since the epoch; -Infinity for no files. */
export const newestTime = (files: readonly FileInfo[]): number => files.reduce((time, file) => Math.max(time, file.createdAt), -Infinity);
