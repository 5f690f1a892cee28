/** What holds of every store that keeps its objects below a directory of its own. */

import { readdir } from 'node:fs/promises';
import { expect } from 'vitest';
import { bytesBody } from '../../src/storage/body.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { getBytes, listKeys, patternBytes, putBytes } from './contract/bodies.ts';

/** Names of all files below a local directory, in order. */
export async function filesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();
}

/** Stores at `a`, `ab` and `a/b`: whatever the first does, the others keep their objects. */
export async function rootsStayApart(open: (path: string) => ObjectStore): Promise<void> {
  const [a, ab, inner] = [open('a'), open('ab'), open('a/b')];
  const stores = [a, ab, inner];
  try {
    for (const [i, one] of stores.entries())
      for (const key of ['ltx/0/1', 'ltx/0/2', 'lock']) await putBytes(one, key, patternBytes(5, i + 1));
    expect(await listKeys(ab)).toEqual(['lock', 'ltx/0/1', 'ltx/0/2']);
    expect(await listKeys(a, 'ltx/')).toEqual(['ltx/0/1', 'ltx/0/2']);
    await a.delete(await listKeys(a, 'ltx/'));
    expect(await listKeys(ab)).toHaveLength(3);
    expect(Buffer.compare(await getBytes(inner, 'ltx/0/1'), patternBytes(5, 3))).toBe(0);
    expect(Buffer.compare(await getBytes(ab, 'lock'), patternBytes(5, 2))).toBe(0);
  } finally {
    await Promise.all(stores.map((one) => one.close()));
  }
}

/** Every call is told that the root, where `ltx/0/a` was, has gone. */
export async function rootIsMissed(store: ObjectStore, gone: object): Promise<void> {
  await expect(listKeys(store)).rejects.toMatchObject(gone);
  await expect(listKeys(store, 'ltx/0/')).rejects.toMatchObject(gone);
  await expect(store.open('ltx/0/a')).rejects.toMatchObject(gone);
  await expect(store.stat('ltx/0/a')).rejects.toMatchObject(gone);
  await expect(store.delete(['ltx/0/a'])).rejects.toMatchObject(gone);
  await expect(putBytes(store, 'ltx/0/b', patternBytes(1))).rejects.toMatchObject(gone);
}

/** No object takes the place of the directory `dir`. */
export async function directoryIsNotReplaced(store: ObjectStore): Promise<void> {
  for (const ifAbsent of [true, false])
    await expect(store.put('dir', bytesBody(patternBytes(1)), { ifAbsent })).rejects.toMatchObject({
      code: ifAbsent ? 'PRECONDITION_FAILED' : 'NOT_SUPPORTED',
    });
}
