/** The changes a follower makes to the file system, as an interface that tests can cut at each step. */

import { openSync } from 'node:fs';
import { nodeDisk, type RestoreDisk } from '../restore/disk.ts';

export interface FollowDisk extends RestoreDisk {
  /** Opens an existing file for reading and writing. */
  open(path: string): number;
}

export const followDisk: FollowDisk = { ...nodeDisk, open: (path) => openSync(path, 'r+') };
