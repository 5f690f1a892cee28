/** Times of files whose metadata was lost on the way: a bucket that was copied without it. */

import { expect, test } from 'vitest';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { pathLayout } from '../../src/replica/layout.ts';
import { Replica } from '../../src/replica/replica.ts';
import { bytesBody } from '../../src/storage/body.ts';
import { MemoryStore } from '../../src/storage/memory/memory.ts';
import type { CallOptions, ObjectInfo } from '../../src/storage/object-store.ts';
import { type ListOptions, WrappedStore } from '../../src/storage/wrap/wrapped-store.ts';
import { makeFile } from '../support/local-files.ts';

const AT = 1_767_225_600_123;
const COPIED_AT = AT + 3_600_000;

/** A store that has kept the times of odd files only. */
class CopiedStore extends WrappedStore {
  override async *list(prefix: string, options?: ListOptions): AsyncGenerator<ObjectInfo> {
    for await (const info of this.inner.list(prefix, options)) yield copied(info);
  }

  override async stat(key: string, options?: CallOptions): Promise<ObjectInfo> {
    return copied(await this.inner.stat(key, options));
  }
}

const copied = (info: ObjectInfo): ObjectInfo =>
  /[02468]\.ltx$/.test(info.key) ? { ...info, createdAt: COPIED_AT, exactTime: false } : info;

test.each(['listing', 'stat'] as const)('where %s tells no time any more, the header of the file does', async (timestamps) => {
  const replica = new Replica(new CopiedStore(new MemoryStore({ capabilities: { timestamps } })), pathLayout, 'db');
  for (let txid = 1; txid <= 9; txid++) {
    await replica.write(0, toTXID(txid), toTXID(txid), bytesBody(makeFile(txid, AT + txid).bytes), { createdAt: AT + txid });
  }
  const times: number[] = [];
  for await (const { createdAt } of replica.list(0, { exactTimes: true })) times.push(createdAt - AT);
  expect(times).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
