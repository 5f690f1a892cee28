/** What tells one version of a file from another, and its time. */

import type { BigIntStats } from 'node:fs';

/** Inode, modification time and size. */
export const tagOf = ({ ino, mtimeNs, size }: BigIntStats): string => `${ino}-${mtimeNs}-${size}`;

/** Modification time in ms since the epoch: readings can be a hair below the millisecond that was set. */
export const timeOf = ({ mtimeNs }: BigIntStats): number => Math.round(Number(mtimeNs / 1000n) / 1000);
