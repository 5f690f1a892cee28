/** Two replicas in one container whose paths begin alike: whatever one does, the other keeps its files. */

import { expect } from 'vitest';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import type { FileInfo } from '../../src/replica/file-info.ts';
import { openReplica } from '../../src/replica/open.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { bytesBody, readAll } from '../../src/storage/body.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import type { StoreSpec } from '../../src/storage/spec.ts';
import { constantPage, encode, header } from '../support/ltx-files.ts';
import { collect, listKeys } from './contract/bodies.ts';

const PATHS = ['', 'a', 'ab', 'a/b', '/a-b/'];

const files = (replica: Replica): Promise<FileInfo[]> => collect(replica.list(0));

/** @returns all keys in the container at the end, of which each path has one. */
export async function neighboursStayApart(specOf: (path: string) => StoreSpec, container: ObjectStore): Promise<readonly string[]> {
  const replicas = await Promise.all(PATHS.map((path) => openReplica(specOf(path))));
  const contents = PATHS.map((_, i) => [1, 2].map((txid) => encode(header(txid, txid, 1), [[1, constantPage(i + 1)]])));
  for (const [i, replica] of replicas.entries()) {
    for (const txid of [1, 2]) {
      await replica.write(0, toTXID(txid), toTXID(txid), bytesBody(contents[i]?.[txid - 1] ?? Buffer.alloc(0)), {
        createdAt: 1_700_000_000_000 + i,
      });
    }
  }
  for (const [i, replica] of replicas.entries()) {
    const listed = await files(replica);
    expect(
      listed.map(({ createdAt }) => createdAt),
      PATHS[i],
    ).toEqual([1_700_000_000_000 + i, 1_700_000_000_000 + i]);
    for (const [at, file] of listed.entries()) {
      expect(Buffer.compare(await readAll(await replica.open(file)), contents[i]?.[at] ?? Buffer.alloc(0)), PATHS[i]).toBe(0);
    }
    // One deletes its second file; everybody else still has two, or has deleted one too.
    await replica.delete(listed.slice(1));
    const left = await Promise.all(replicas.map(async (other) => (await files(other)).length));
    expect(left).toEqual(PATHS.map((_, at) => (at <= i ? 1 : 2)));
  }
  for (const replica of replicas) await replica.close();
  const keys = await listKeys(container);
  await container.close();
  expect(keys).toHaveLength(PATHS.length);
  return keys;
}
