/** Deleting objects that are files of a server: which keys are left, and whether anything was there at all. */

import { deleteFailure } from '../delete-failure.ts';

export interface Deletion {
  /** How many were not there. */
  readonly missing: number;
  /** Error by path. */
  readonly failures: ReadonlyMap<string, unknown>;
}

export interface DeletionParts {
  readonly destination: string;
  pathOf(key: string): string;
  /** Tries all of them. */
  remove(paths: readonly string[]): Promise<Deletion>;
  /** Fails when the root is gone. */
  checkRoot(): Promise<unknown>;
}

/** Deletes what `keys` stand for; missing ones count as deleted while the root is there. Fails with the keys that are left. */
export async function deleteKeys(keys: readonly string[], { destination, pathOf, remove, checkRoot }: DeletionParts): Promise<void> {
  const keyOf = new Map(keys.map((key) => [pathOf(key), key]));
  if (keyOf.size === 0) return;
  const { missing, failures } = await remove([...keyOf.keys()]);
  // Nothing was deleted where nothing is mounted.
  if (missing > 0) await checkRoot();
  if (failures.size > 0)
    throw deleteFailure(new Map([...failures].map(([path, error]) => [keyOf.get(path) ?? path, error])), keys, destination);
}
