/** The files below a directory in key order, read one directory at a time. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../base/system-error.ts';
import { matches, mayHold, type TreeFilter } from '../directories/tree.ts';
import { compareKeys } from '../key.ts';
import type { ObjectInfo } from '../object-store.ts';
import { fileError } from './errors.ts';

/** How many files are looked at together; a listing of thousands would otherwise wait for each in turn. */
const STAT_BATCH = 32;

/**
 * Yields the objects of `root` that match, in key order. `directory` is '' or ends in '/'. A directory that is missing is empty; one that
 * cannot be read is an error. Files that vanish meanwhile are left out.
 */
export async function* walk(root: string, directory: string, filter: TreeFilter): AsyncGenerator<ObjectInfo> {
  filter.signal?.throwIfAborted();
  const names = await namesIn(root, directory, filter);
  for (let at = 0; at < names.length; at += STAT_BATCH) {
    filter.signal?.throwIfAborted();
    const found = await Promise.all(names.slice(at, at + STAT_BATCH).map((name) => look(root, directory + name)));
    for (const entry of found) {
      filter.signal?.throwIfAborted();
      if (typeof entry === 'string') yield* walk(root, entry, filter);
      else if (entry !== undefined) yield entry;
    }
  }
}

/** Names in `directory` that may hold matches, in key order; a directory's name ends in '/'. */
async function namesIn(root: string, directory: string, filter: TreeFilter): Promise<string[]> {
  const path = join(root, directory);
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const names: string[] = [];
    for (const entry of entries) {
      const isDirectory = entry.isDirectory() || (entry.isSymbolicLink() && (await pointsToDirectory(join(path, entry.name))));
      const name = isDirectory ? `${entry.name}/` : entry.name;
      if (isDirectory ? mayHold(directory + name, filter) : matches(directory + name, filter)) names.push(name);
    }
    return names.sort(compareKeys);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw fileError(error, `cannot list directory ${path}`);
  }
}

/** An object's facts, a directory's own key, or undefined for what is neither or has vanished. */
async function look(root: string, key: string): Promise<ObjectInfo | string | undefined> {
  if (key.endsWith('/')) return key;
  const path = join(root, key);
  try {
    const found = await stat(path);
    return found.isFile() ? { key, size: found.size, createdAt: Math.round(found.mtimeMs) } : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, `cannot look at ${path}`);
  }
}

async function pointsToDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw fileError(error, `cannot follow ${path}`);
  }
}
