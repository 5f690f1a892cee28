/** How large the parts of an upload are. */

import type { Plan } from './plan.ts';

const MIB = 1024 * 1024;
/** Parts that are aimed at where the service allows 10,000, and where only 1,000 are certain: room for a body that outgrows its size. */
const AIM = 0.9;
/** Parts of a body of unknown size, which cannot be made larger later: some services want them equal. */
const UNKNOWN_BYTES = 16 * MIB;

/** Bytes of every part but the last: at least what is configured, and so large that the object has parts to spare. */
export function partSizeFor(size: number | undefined, { partSize, provider }: Pick<Plan, 'partSize' | 'provider'>): number {
  if (size === undefined) return Math.max(partSize, UNKNOWN_BYTES);
  const needed = Math.ceil(size / (provider.maxParts * AIM) / MIB) * MIB;
  return Math.max(partSize, needed);
}
