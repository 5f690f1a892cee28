/** Objects below the directories of a server, in key order, one directory read at a time. */

import { compareKeys } from '../key.ts';
import type { ObjectInfo } from '../object-store.ts';
import { TEMP_SUFFIX } from './temp-name.ts';

/** One name in a directory. */
export interface TreeEntry {
  readonly name: string;
  readonly isDirectory: boolean;
  /** Bytes. */
  readonly size: number;
  /** ms since the epoch. */
  readonly createdAt: number;
}

export interface TreeFilter {
  readonly prefix: string;
  /** Exclusive. */
  readonly after: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Reads one directory, '' or ending in '/': its files and directories in any order; none when it is missing. */
export type ReadDirectory = (directory: string) => Promise<readonly TreeEntry[]>;

/** Yields the objects that match, in key order. Directories that cannot hold any are not read. */
export async function* walkTree(read: ReadDirectory, directory: string, filter: TreeFilter): AsyncGenerator<ObjectInfo> {
  filter.signal?.throwIfAborted();
  const found = (await read(directory)).map((entry) => ({ entry, key: directory + entry.name + (entry.isDirectory ? '/' : '') }));
  const wanted = found.filter(({ entry, key }) => (entry.isDirectory ? mayHold(key, filter) : matches(key, filter)));
  for (const { entry, key } of wanted.sort((a, b) => compareKeys(a.key, b.key))) {
    filter.signal?.throwIfAborted();
    if (entry.isDirectory) yield* walkTree(read, key, filter);
    else yield { key, size: entry.size, createdAt: entry.createdAt };
  }
  filter.signal?.throwIfAborted();
}

/** The deepest directory that holds everything with that prefix: '' or ending in '/'. */
export const directoryOfPrefix = (prefix: string): string => prefix.slice(0, prefix.lastIndexOf('/') + 1);

/** Whether a directory, '' or ending in '/', may hold objects that match. */
export function mayHold(directory: string, { prefix, after }: TreeFilter): boolean {
  if (!directory.startsWith(prefix) && !prefix.startsWith(directory)) return false;
  return after === undefined || after.startsWith(directory) || compareKeys(directory, after) > 0;
}

/** Whether the file of that key is an object that is asked for: unfinished ones never are. */
export function matches(key: string, { prefix, after }: TreeFilter): boolean {
  return key.startsWith(prefix) && !key.endsWith(TEMP_SUFFIX) && (after === undefined || compareKeys(key, after) > 0);
}
