/** Which files have outlived their use; pure over the listing of all levels (docs/engine.md, Retention; decision 47). */

import { LitestreamError } from '../../base/errors.ts';
import { formatTXID, NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import { byRange, type FileInfo, LEVELS, MIN_FILE_SIZE, SNAPSHOT_LEVEL } from '../../replica/file-info.ts';
import type { MaintenanceSettings } from '../options.ts';
import { buildChains, type ChainEnd, chainFiles } from '../restore/chains.ts';

/** What must stay although its time is over. */
export interface Protections {
  /** Each of these states that can be restored now must still be restorable after: the newest proof, a state somebody asked to keep. */
  readonly txids: readonly TXID[];
  /** While somebody reads a chain that ends here, no file that may belong to it goes. */
  readonly heldUpTo: TXID;
}

export const UNPROTECTED: Protections = { txids: [], heldUpTo: NO_TXID };

export interface RetentionFacts {
  /** All levels; a listing that failed must never come here. In any order. */
  readonly files: readonly FileInfo[];
  readonly settings: Pick<MaintenanceSettings, 'levels' | 'snapshotRetentionMs' | 'level0RetentionMs' | 'deletes'>;
  /** ms since the epoch. */
  readonly now: number;
  readonly protections: Protections;
  /** Level 0 alone, or what follows the snapshots: levels 1 to 9, and what of level 0 lies below the floor. */
  readonly scope: 'level 0' | 'snapshots';
}

export interface RetentionPlan {
  /** In the order of deletion. Every state that is restorable after all of them is so after each of them. */
  readonly doomed: readonly FileInfo[];
  /** When something may be due if nothing changes, ms since the epoch; absent: never. */
  readonly nextAt?: number;
}

/**
 * Chooses the files to delete. Nothing is chosen by age alone: a level-0 file must be inside a file of level 1, a snapshot must have a successor that
 * is older than the retention, and what is below must end before the newest snapshot that goes. States at which a remaining file ends, from the oldest
 * remaining snapshot on, can be restored as before.
 *
 * INTERNAL when the chosen files turn out to be needed for the newest restorable state or for the oldest retained moment: a defect, and
 * nothing is deleted then.
 */
export function planRetention(facts: RetentionFacts): RetentionPlan {
  if (!facts.settings.deletes) return { doomed: [] };
  const { doomed, nextAt } = facts.scope === 'level 0' ? coveredLevel0(facts) : expiredSnapshots(facts);
  const kept = spare(facts, doomed);
  prove(facts.files, kept);
  return { doomed: inOrder(kept), ...(nextAt === undefined ? {} : { nextAt }) };
}

interface Choice {
  readonly doomed: ReadonlySet<FileInfo>;
  readonly nextAt?: number;
}

const NOTHING: Choice = { doomed: new Set() };

/**
 * Walks level 0 upward up to the first file that is too young. What is old goes as far as a file of level 1 ends: from there the states
 * of the younger files are restored.
 */
function coveredLevel0({ files, settings, now }: RetentionFacts): Choice {
  const { levels, level0RetentionMs } = settings;
  if (levels.length === 0 || level0RetentionMs === 0) return NOTHING;
  const merged = files.filter(({ level, size }) => level === 1 && size >= MIN_FILE_SIZE);
  const covers = new Coverage(merged);
  const ends = new Set(merged.map(({ maxTXID }) => maxTXID));
  const walk = inTime(files, 0);
  const doomed = new Set<FileInfo>();
  let waiting: FileInfo[] = [];
  for (const { file, time } of walk) {
    if (!covers.has(file)) continue;
    const due = time + level0RetentionMs;
    if (due >= now) return { doomed, nextAt: due };
    if (file !== walk.at(-1)?.file) waiting.push(file);
    if (!ends.has(file.maxTXID)) continue;
    for (const one of waiting) doomed.add(one);
    waiting = [];
  }
  return { doomed };
}

/**
 * A snapshot goes when its successor is older than the retention: until then it is what moments inside the retention are restored from.
 * Levels below go up to the newest snapshot that goes, so that a restore which began with that one still finds the rest of its files.
 */
function expiredSnapshots({ files, settings, now }: RetentionFacts): Choice {
  const { levels, level0RetentionMs, snapshotRetentionMs } = settings;
  const snapshots = inTime(files, SNAPSHOT_LEVEL).filter(({ file }) => file.size >= MIN_FILE_SIZE && file.minTXID <= 1n);
  const dues = snapshots.slice(1).map(({ time }) => time + snapshotRetentionMs);
  const young = dues.findIndex((due) => due >= now);
  const expired = snapshots.slice(0, young === -1 ? dues.length : young).map(({ file }) => file);
  const nextAt = young === -1 ? undefined : dues[young];
  const floor = expired.at(-1)?.maxTXID ?? NO_TXID;
  const doomed = new Set(expired);
  for (const level of LEVELS.slice(levels.length === 0 || level0RetentionMs === 0 ? 1 : 0, SNAPSHOT_LEVEL)) {
    for (const { file } of inTime(files, level).slice(0, -1)) if (file.maxTXID < floor) doomed.add(file);
  }
  return { doomed, ...(nextAt === undefined ? {} : { nextAt }) };
}

interface Timed {
  readonly file: FileInfo;
  /** Never earlier than that of a file before it: a clock that was behind for a while makes nothing older than it is. */
  readonly time: number;
}

/** Files of a level by maxTXID. */
function inTime(files: readonly FileInfo[], level: number): Timed[] {
  const own = files.filter((file) => file.level === level);
  own.sort((a, b) => (a.maxTXID === b.maxTXID ? byRange(a, b) : a.maxTXID < b.maxTXID ? -1 : 1));
  let time = Number.NEGATIVE_INFINITY;
  return own.map((file) => {
    time = Math.max(time, file.createdAt);
    return { file, time };
  });
}

/** The transactions of a level, whatever its overlaps and holes. */
class Coverage {
  readonly #runs: { readonly min: bigint; max: bigint }[] = [];

  constructor(files: readonly FileInfo[]) {
    for (const { minTXID, maxTXID } of [...files].sort(byRange)) {
      const run = this.#runs.at(-1);
      if (run === undefined || minTXID > run.max + 1n) this.#runs.push({ min: minTXID, max: maxTXID });
      else if (maxTXID > run.max) run.max = maxTXID;
    }
  }

  has({ minTXID, maxTXID }: FileInfo): boolean {
    return this.#runs.some(({ min, max }) => min <= minTXID && maxTXID <= max);
  }
}

/** Takes out what the protections need, and what the states need that are to stay: a file of a higher level may build on one of a lower. */
function spare({ files, protections }: RetentionFacts, doomed: ReadonlySet<FileInfo>): Set<FileInfo> {
  const going = new Set([...doomed].filter((file) => file.maxTXID > protections.heldUpTo));
  if (going.size === 0) return going;
  const before = buildChains(usable(files));
  for (;;) {
    const after = statesOf(without(files, going));
    const needed = new Set([...protections.txids, ...mustStay(files, going, before)]);
    const missing = before.filter(({ txid }) => needed.has(txid) && !after.has(txid));
    if (missing.length === 0) return going;
    for (const file of missing.flatMap(chainFiles)) going.delete(file);
    if (going.size === 0) return going;
  }
}

const usable = (files: readonly FileInfo[]): FileInfo[] => files.filter(({ size }) => size >= MIN_FILE_SIZE);

const without = (files: readonly FileInfo[], doomed: ReadonlySet<FileInfo>): FileInfo[] =>
  usable(files).filter((file) => !doomed.has(file));

const statesOf = (files: readonly FileInfo[]): Set<TXID> => new Set(buildChains(files).map(({ txid }) => txid));

/** The last look before anything is lost: by the planner that a restore uses. */
function prove(files: readonly FileInfo[], doomed: ReadonlySet<FileInfo>): void {
  if (doomed.size === 0) return;
  const before = buildChains(usable(files));
  const after = statesOf(without(files, doomed));
  const missing = mustStay(files, doomed, before).find((txid) => !after.has(txid));
  if (missing === undefined) return;
  throw new LitestreamError(
    'INTERNAL',
    `planning retention: TXID ${formatTXID(missing)} could not be restored any more; nothing is deleted`,
    {
      details: { txid: formatTXID(missing), files: doomed.size },
      hint: 'Report this with the output of `litestream ltx -level all`; the replica stays as it is.',
    },
  );
}

/** The newest state, the oldest snapshot that stays, and every state that a file ends at which stays behind that snapshot. */
function mustStay(files: readonly FileInfo[], doomed: ReadonlySet<FileInfo>, before: readonly ChainEnd[]): TXID[] {
  const newest = before.at(-1);
  if (newest === undefined) return [];
  const retained = without(files, doomed);
  const oldest = retained
    .filter(({ level, minTXID }) => level === SNAPSHOT_LEVEL && minTXID <= 1n)
    .reduce<TXID | undefined>((least, { maxTXID }) => (least === undefined || maxTXID < least ? maxTXID : least), undefined);
  const ends = new Set(retained.filter(({ maxTXID }) => maxTXID >= (oldest ?? NO_TXID)).map(({ maxTXID }) => maxTXID));
  return [newest.txid, ...before.filter(({ txid }) => ends.has(txid)).map(({ txid }) => txid)];
}

/** Oldest first, level by level upward: what covers others goes after them. */
function inOrder(doomed: ReadonlySet<FileInfo>): FileInfo[] {
  return [...doomed].sort((a, b) => a.level - b.level || byRange(a, b));
}
