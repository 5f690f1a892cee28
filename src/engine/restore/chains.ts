/** Which transactions a set of listed files can rebuild, and the cheapest chain of files to each of them. Pure. */

import type { TXID } from '../../formats/ltx/txid.ts';
import type { FileInfo } from '../../replica/file-info.ts';

/** What opening one more file weighs against reading bytes: about one round trip on a fast link. */
const OPEN_COST = 128 * 1024;

/** A state that can be rebuilt: its last file and the chain before it. */
export interface ChainEnd {
  readonly txid: TXID;
  readonly last: FileInfo;
  readonly previous: ChainEnd | undefined;
  /** Bytes to read plus OPEN_COST per file. */
  readonly cost: number;
}

/**
 * Every reachable state in TXID order, each with its cheapest chain.
 *
 * A chain starts at a file with minTXID 1; each further file begins no later than one after the end of the one before and ends
 * after it. Overlap is allowed inside and between levels. O(n log n) in the number of files.
 */
export function buildChains(files: Iterable<FileInfo>): ChainEnd[] {
  const reached: ChainEnd[] = [];
  const frontier: ChainEnd[] = [];
  for (const group of groupByEnd(files)) {
    const end = cheapestEnd(group, frontier);
    if (end === undefined) continue;
    reached.push(end);
    // What ends earlier and costs as much can never be a better predecessor than this one.
    while ((frontier.at(-1)?.cost ?? -1) >= end.cost) frontier.pop();
    frontier.push(end);
  }
  return reached;
}

/** The files of a chain, oldest first. */
export function chainFiles(end: ChainEnd): FileInfo[] {
  const files: FileInfo[] = [];
  for (let at: ChainEnd | undefined = end; at !== undefined; at = at.previous) files.push(at.last);
  return files.reverse();
}

/** Earliest creation time of a file that ends at each TXID: the best known time of that state, ms since the epoch. */
export function timesByTXID(files: Iterable<FileInfo>): Map<TXID, number> {
  const times = new Map<TXID, number>();
  for (const file of files) {
    const known = times.get(file.maxTXID);
    if (known === undefined || file.createdAt < known) times.set(file.maxTXID, file.createdAt);
  }
  return times;
}

function groupByEnd(files: Iterable<FileInfo>): FileInfo[][] {
  const groups = new Map<TXID, FileInfo[]>();
  for (const file of files) {
    const group = groups.get(file.maxTXID);
    if (group === undefined) groups.set(file.maxTXID, [file]);
    else group.push(file);
  }
  return [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

/** The cheapest way to end at the group's TXID; between equals the higher level, which retention removes last. */
function cheapestEnd(group: readonly FileInfo[], frontier: readonly ChainEnd[]): ChainEnd | undefined {
  let best: ChainEnd | undefined;
  for (const file of group) {
    const previous = file.minTXID <= 1n ? undefined : cheapestFrom(frontier, file.minTXID - 1n);
    if (file.minTXID > 1n && previous === undefined) continue;
    const cost = (previous?.cost ?? 0) + file.size + OPEN_COST;
    if (best === undefined || cost < best.cost || (cost === best.cost && file.level > best.last.level)) {
      best = { txid: file.maxTXID, last: file, previous, cost };
    }
  }
  return best;
}

/** The frontier rises in TXID and cost, so the first entry at or after `txid` is the cheapest one. */
function cheapestFrom(frontier: readonly ChainEnd[], txid: bigint): ChainEnd | undefined {
  let low = 0;
  let high = frontier.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = frontier[middle];
    if (entry !== undefined && entry.txid < txid) low = middle + 1;
    else high = middle;
  }
  return frontier[low];
}
