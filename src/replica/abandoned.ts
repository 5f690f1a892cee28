/** Uploads of a replica's files that died half way, at stores that would keep their parts for ever. */

import { parseLTXName } from '../formats/ltx/filename.ts';
import type { CallOptions } from '../storage/object-store.ts';
import { ENCRYPTED_SUFFIX } from './encrypted/encryption.ts';
import { LEVELS } from './file-info.ts';
import { layoutFor } from './layout.ts';
import type { Replica } from './replica.ts';

/** Long enough for whoever else may be sending something there. */
export const IDLE_MS = 86_400_000;

/**
 * Ends uploads of LTX files of this replica to which nothing has been added for a day, and tells how many; undefined where a store has no such
 * thing. For the writer of the replica.
 */
export async function endAbandonedUploads(replica: Replica, { signal }: CallOptions = {}): Promise<number | undefined> {
  const { store, prefix } = replica;
  if (store.endAbandoned === undefined) return undefined;
  await replica.mayWrite();
  const layout = layoutFor(store.type);
  const levels = LEVELS.map((level) => layout.levelPrefix(prefix, level));
  const isOurs = (key: string): boolean => levels.some((level) => key.startsWith(level) && isFileName(key.slice(level.length)));
  return store.endAbandoned(layout.levelsPrefix(prefix), { idleMs: IDLE_MS, isOurs, signal });
}

function isFileName(name: string): boolean {
  const plain = name.endsWith(ENCRYPTED_SUFFIX) ? name.slice(0, -ENCRYPTED_SUFFIX.length) : name;
  return parseLTXName(plain) !== undefined;
}
