/** A backup is as private as the database: files of a file replica get its mode and owner, directories those of its directory. */

import { type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { StoreSpec } from '../storage/spec.ts';

/** The store with the permissions of the database at `path`; unchanged while there is no such file, which means owner only, and unless it is a directory here. */
export function likeDatabase(store: StoreSpec, path: string): StoreSpec {
  if (store.type !== 'file') return store;
  const file = statOf(path);
  const directory = statOf(dirname(path));
  if (file === undefined || directory === undefined) return store;
  return { ...store, fileMode: file.mode & 0o666, directoryMode: directory.mode & 0o777, owner: { uid: file.uid, gid: file.gid } };
}

/** Nothing about permissions is worth failing for: whoever cannot look gets the private default. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
