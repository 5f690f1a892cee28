/** Whether a restore may write where it was told to. Looks, never changes anything. */

import { lstatSync, type Stats, statfsSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { followPlaces } from '../follow/places.ts';

/** A database and the files that belong to it, the database first. */
export const SIDE_SUFFIXES = ['', '-wal', '-shm', '-journal'] as const;

/** What stands at the output and is to be replaced. */
export interface ExistingOutput {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Finds out whether something uses a database; each throws OUTPUT_IN_USE. */
export interface TargetGuard {
  /** The owner lock in the metadata directory, and SQLite's locks of other connections. `metaPath` is the default one when absent. */
  assertUnused(path: string, metaPath: string | undefined): void;
}

/** Left free beside the result. */
export const HEADROOM_BYTES = 64 * 1024 * 1024;

/**
 * Checks the output path. Without `force` nothing may exist there, not even a side file or a dangling link: OUTPUT_EXISTS.
 * With it a regular file may, which is returned; OUTPUT_IN_USE while anything uses it, and for a copy that follows a replica.
 */
export function checkOutput(
  output: string,
  { force, guard, metaPath }: { readonly force: boolean; readonly guard: TargetGuard; readonly metaPath?: string | undefined },
): ExistingOutput | undefined {
  if (!isAbsolute(output) || output.endsWith('/') || output.includes('\0')) {
    throw new LitestreamError('USAGE', `restoring to "${output}": the output must be an absolute path of a file`);
  }
  const found = lstatSync(output, { throwIfNoEntry: false });
  if (found?.isDirectory()) {
    throw new LitestreamError('OUTPUT_EXISTS', `restoring to ${output}: it is a directory`, { hint: 'Name a file, such as restored.db.' });
  }
  if (!force) {
    refuseExisting(output);
    return undefined;
  }
  if (found === undefined) return undefined;
  refuseSpecial(output, found);
  refuseCopy(output);
  guard.assertUnused(output, metaPath);
  return { mode: found.mode & 0o7777, uid: found.uid, gid: found.gid };
}

/** True for anything of that name, a dangling link included. */
export function existsAtAll(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** DISK_FULL unless `bytes` and some more fit beside the output. */
export function checkFreeSpace(output: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(dirname(output));
  const free = bavail * bsize;
  const needed = Math.ceil(bytes * 1.1) + HEADROOM_BYTES;
  if (free >= needed) return;
  throw new LitestreamError('DISK_FULL', `restoring to ${output}: ${needed} bytes are needed there and ${free} are free`, {
    details: { needed, free },
    hint: 'Free space there, or restore to another file system.',
  });
}

function refuseExisting(output: string): void {
  const suffix = SIDE_SUFFIXES.find((candidate) => existsAtAll(output + candidate));
  if (suffix === undefined) return;
  const what = suffix === '' ? 'the file exists already' : `${output}${suffix} of an earlier database is still there`;
  throw new LitestreamError('OUTPUT_EXISTS', `restoring to ${output}: ${what}`, {
    details: { path: output + suffix },
    hint: 'Choose another output, or use -force, which keeps what is there under another name.',
  });
}

function refuseSpecial(output: string, found: Stats): void {
  if (found.isFile()) return;
  const kind = found.isSymbolicLink() ? 'a symbolic link' : 'not a regular file';
  throw new LitestreamError('OUTPUT_EXISTS', `restoring to ${output}: it is ${kind}`, {
    hint: 'Name the database file itself as the output.',
  });
}

/** A follower holds no lock between its rounds; its cursor tells that there is one, or was. */
function refuseCopy(output: string): void {
  const { cursor } = followPlaces(output);
  if (!existsAtAll(cursor)) return;
  throw new LitestreamError('OUTPUT_IN_USE', `restoring to ${output}: it is a copy that follows a replica`, {
    details: { path: cursor },
    hint: `Choose another output. If nothing follows to it any more, remove ${cursor} first.`,
  });
}
