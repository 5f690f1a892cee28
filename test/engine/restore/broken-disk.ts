/** A disk that stops at one of its steps, and the view of it that the next process has. */

import { join } from 'node:path';
import { nodeDisk, type RestoreDisk } from '../../../src/engine/restore/disk.ts';
import { leftovers } from './setting.ts';

export class Cut extends Error {}

export interface BrokenDisk {
  readonly disk: RestoreDisk;
  /** Steps asked for so far. */
  readonly steps: () => number;
}

/** `crash`: nothing works from its n-th step on. `failure`: the n-th step alone fails. Descriptors can always be closed. */
export function brokenDisk(step: number, kind: 'crash' | 'failure'): BrokenDisk {
  let count = 0;
  const disk = Object.fromEntries(
    Object.entries(nodeDisk).map(([name, work]) => [
      name,
      (...args: never[]) => {
        const isBroken = kind === 'crash' ? count >= step : count === step;
        count++;
        if (isBroken && name !== 'close') throw new Cut(`step ${step}, ${name}`);
        return (work as (...values: never[]) => unknown)(...args);
      },
    ]),
  ) as unknown as RestoreDisk;
  return { disk, steps: () => count };
}

/** From now on the private directories of this process count as those of one that has ended. */
export function abandon(directory: string): void {
  for (const name of leftovers(directory)) {
    nodeDisk.rename(join(directory, name), join(directory, name.replace(/\.restoring-\d+-\d+-/, '.restoring-4194303-1-')));
  }
}
