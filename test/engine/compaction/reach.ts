/** The naive planner: which states a set of files can rebuild, found by trying every file until nothing new comes. */

import type { FileInfo } from '../../../src/replica/file-info.ts';

/** States that can be rebuilt from nothing, or from state `from`. */
export function reachable(files: readonly FileInfo[], from = 0n): Set<bigint> {
  const states = new Set<bigint>();
  const open: bigint[] = [from];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    for (const { minTXID, maxTXID, size } of files) {
      const begins = minTXID <= 1n || minTXID <= state + 1n;
      if (size < 100 || !begins || maxTXID <= state || states.has(maxTXID)) continue;
      states.add(maxTXID);
      open.push(maxTXID);
    }
  }
  return states;
}

export const largest = (states: Iterable<bigint>): bigint => [...states].reduce((a, b) => (b > a ? b : a), 0n);
