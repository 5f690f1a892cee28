/** Listings for planner tests: short notation and seeded random layouts. */

import { toTXID } from '../../../src/formats/ltx/txid.ts';
import type { FileInfo, Level } from '../../../src/replica/file-info.ts';
import { between } from '../../support/random.ts';

/** `info(0, 3, 5, { size, at })`. Default size 1000, default time 1000 ms times maxTXID. */
export function info(level: number, min: number, max: number, { size = 1000, at = max * 1000 } = {}): FileInfo {
  return { level: level as Level, minTXID: toTXID(min), maxTXID: toTXID(max), size, createdAt: at };
}

/** Up to 12 overlapping files over TXIDs 1 to 10, with clocks that are not always in order. */
export function randomListing(random: () => number): FileInfo[] {
  return Array.from({ length: between(random, 0, 12) }, () => {
    const level = random() < 0.4 ? 0 : between(random, 1, 9);
    const min = random() < 0.3 || level === 9 ? 1 : between(random, 1, 10);
    const max = level === 0 && random() < 0.7 ? min : between(random, min, 10);
    const at = random() < 0.9 ? max * 1000 + between(random, 0, 1500) : between(random, 0, 12_000);
    return info(level, min, max, { size: between(random, 100, 2_000_000), at });
  });
}
