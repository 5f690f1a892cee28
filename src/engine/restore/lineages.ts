/** LTX data in the words of version 0.3: generations and snapshots (decision 16). Pure. */

import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import { type FileInfo, SNAPSHOT_LEVEL } from '../../replica/file-info.ts';
import { fileRuns, newestTime, oldestTime } from './points.ts';

/** An uninterrupted run of transactions. */
export interface Lineage {
  /** `ltx`, or `ltx@<first TXID>` for a run that is cut off from the first transaction. */
  readonly id: string;
  readonly restorable: boolean;
  readonly minTXID: TXID;
  readonly maxTXID: TXID;
  /** Creation times of its oldest and newest file, ms since the epoch. */
  readonly start: number;
  readonly end: number;
  readonly files: number;
  readonly bytes: number;
  readonly snapshots: number;
}

/** The uninterrupted runs of a listing, in TXID order; at most the first is restorable. */
export function lineages(listing: readonly FileInfo[]): Lineage[] {
  const snapshotFiles = new Set(snapshots(listing));
  return fileRuns(listing).map((run) => {
    const restorable = run.minTXID <= 1n;
    return {
      id: restorable ? 'ltx' : `ltx@${formatTXID(run.minTXID)}`,
      restorable,
      minTXID: run.minTXID,
      maxTXID: run.maxTXID,
      start: oldestTime(run.files),
      end: newestTime(run.files),
      files: run.files.length,
      bytes: run.files.reduce((sum, file) => sum + file.size, 0),
      snapshots: run.files.filter((file) => snapshotFiles.has(file)).length,
    };
  });
}

/** Files a restore can begin with: all of level 9 and the newest of the other levels that starts at TXID 1; by maxTXID. */
export function snapshots(listing: readonly FileInfo[]): FileInfo[] {
  const starting = listing
    .filter((file) => file.minTXID <= 1n)
    .sort((a, b) => (a.maxTXID < b.maxTXID ? -1 : a.maxTXID > b.maxTXID ? 1 : b.level - a.level));
  const newestOther = starting.findLast((file) => file.level !== SNAPSHOT_LEVEL);
  return starting.filter((file) => file.level === SNAPSHOT_LEVEL || file === newestOther);
}
