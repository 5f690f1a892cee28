/** Members of a directory that only its replicas still have. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { groupsBelow } from '../../replica/groups.ts';
import { openReplica } from '../../replica/open.ts';
import { prefixInStore } from '../../storage/place.ts';
import type { StoreSpec } from '../../storage/spec.ts';
import type { DatabaseEntry } from '../options.ts';
import { memberEntry, memberName, memberPath } from './member.ts';
import type { DirectorySettings } from './options.ts';

/** Names below a replica that are not another member: LTX levels, generations of 0.3. */
const CONTENT: readonly string[] = ['ltx', 'generations'];
/** The same among keys, up to the file: levels of S3 and OSS are four digits. */
const CONTENT_KEY = /^(.+?)\/(?:ltx\/\d\/[^/]+|[0-9a-f]{4}\/[0-9a-f]{16}-[0-9a-f]{16}\.ltx(?:\.age)?|generations\/.+)$/;

/**
 * Entries for everything that a replica of the directory holds and no `known` entry stands for, in the order of their paths. A replica that cannot be read counts as empty here: planning a restore says what is wrong with it.
 */
export async function findLostMembers(directory: DirectorySettings, known: readonly DatabaseEntry[]): Promise<readonly DatabaseEntry[]> {
  const paths = new Set(known.map(({ settings }) => settings.path));
  const names = new Set(known.map(({ settings }) => settings.name));
  const lost = new Map<string, DatabaseEntry>();
  for (const { store } of directory.template.replicas) {
    for (const below of store.type === 'file' ? await listReplicas(store.path, directory.recursive) : await listKeys(store)) {
      const path = join(directory.dir, below);
      if (paths.has(path) || lost.has(path) || memberPath(directory, path) === undefined) continue;
      const name = memberName(directory, below, (taken) => names.has(taken));
      names.add(name);
      lost.set(path, memberEntry(directory, below, name));
    }
  }
  return [...lost.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

/** Paths of replicas below the path of the store, by their keys. */
async function listKeys(spec: StoreSpec): Promise<string[]> {
  const replica = await openReplica(spec);
  const prefix = prefixInStore(spec) === '' ? '' : `${prefixInStore(spec)}/`;
  const groupOf = (key: string) => {
    const [, below] = CONTENT_KEY.exec(key.slice(prefix.length)) ?? [];
    return below === undefined ? undefined : prefix + below;
  };
  try {
    return (await groupsBelow(replica.store, prefix, groupOf)).map((group) => group.slice(prefix.length));
  } catch {
    return [];
  } finally {
    await replica.close();
  }
}

/** Paths below `root` of directories that hold a replica. */
async function listReplicas(root: string, recursive: boolean, below = ''): Promise<string[]> {
  const entries = await readdir(join(root, below), { withFileTypes: true }).catch(() => []);
  const directories = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  if (below !== '' && directories.some((name) => CONTENT.includes(name))) return [below];
  if (below !== '' && !recursive) return [];
  const found: string[] = [];
  for (const name of directories.toSorted()) found.push(...(await listReplicas(root, recursive, join(below, name))));
  return found;
}
