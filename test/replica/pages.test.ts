import { beforeEach, describe, expect, test } from 'vitest';
import type { PageForm } from '../../src/formats/ltx/page-frame.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import type { FileInfo } from '../../src/replica/file-info.ts';
import { pathLayout } from '../../src/replica/layout.ts';
import { readRemoteIndex, readRemotePage } from '../../src/replica/pages.ts';
import { Replica } from '../../src/replica/replica.ts';
import { bytesBody } from '../../src/storage/body.ts';
import { MemoryStore } from '../../src/storage/memory/memory.ts';
import { patternBytes } from '../storage/contract/bodies.ts';
import { FaultStore } from '../support/fault-store.ts';
import { encode, header } from '../support/ltx-files.ts';
import { Random } from '../support/random.ts';

describe('pages', () => {
  let store: FaultStore;
  let replica: Replica;
  beforeEach(() => {
    store = new FaultStore(new MemoryStore());
    replica = new Replica(store, pathLayout);
  });

  const page = (pgno: number) => patternBytes(512, pgno);
  async function putFile(count: number, form: PageForm = 'block'): Promise<{ file: FileInfo; bytes: Buffer }> {
    const pages = Array.from({ length: count }, (_, i) => [i + 1, page(i + 1)] as const);
    const bytes = encode(header(1, 1, count), pages, { pageForm: form });
    const file = await replica.write(0, toTXID(1), toTXID(1), bytesBody(bytes), { createdAt: 0 });
    store.calls.length = 0;
    return { file, bytes };
  }

  test.each([
    [1, 1],
    [20, 1],
    [500, 2],
    [20_000, 3],
  ])('finds every page of a file of %i pages with %i requests for the index', async (count, requests) => {
    const { file } = await putFile(count);
    const index = await readRemoteIndex(replica, file);
    expect(store.count('open')).toBe(requests);
    const entries = [...index.entries()];
    expect(entries.map(({ pgno }) => pgno)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    for (const at of new Set([0, Math.floor(count / 2), count - 1])) {
      const entry = entries[at];
      if (entry === undefined) throw new Error('no entry');
      expect(Buffer.compare(await readRemotePage(replica, index, entry), page(entry.pgno))).toBe(0);
    }
  });

  test('reads pages in frame form', async () => {
    const { file } = await putFile(30, 'frame');
    const index = await readRemoteIndex(replica, file);
    for (const entry of index.entries()) expect(Buffer.compare(await readRemotePage(replica, index, entry), page(entry.pgno))).toBe(0);
  });

  test('a file shorter than listed, or shorter than any file, is truncated', async () => {
    const { file } = await putFile(500);
    await expect(readRemoteIndex(replica, { ...file, size: file.size + 1 })).rejects.toMatchObject({ code: 'LTX_TRUNCATED' });
    for (const size of [0, 5, 23, 99, 130]) {
      await expect(readRemoteIndex(replica, { ...file, size }), String(size)).rejects.toMatchObject({
        code: expect.stringMatching(/^LTX_/),
      });
    }
  });

  test('of a file cut at 0 to 200 bytes, or of as many bytes of anything, nothing is found, and nothing breaks (row 68)', async () => {
    const { bytes } = await putFile(40);
    const random = new Random(68);
    for (let size = 0; size <= 200; size++) {
      for (const content of [bytes.subarray(0, size), Buffer.alloc(size), Buffer.alloc(size, 0xff), Buffer.from(random.bytes(size))]) {
        const file = await replica.write(0, toTXID(1), toTXID(1), bytesBody(content), { createdAt: 0, ifAbsent: false });
        const index = async () => [...(await readRemoteIndex(replica, file)).entries()];
        await expect(index(), `${size} bytes`).rejects.toMatchObject({ code: expect.stringMatching(/^LTX_(INVALID|TRUNCATED)$/) });
      }
    }
  });

  test('a file whose header names another range is refused', async () => {
    const { bytes } = await putFile(3);
    const wrong = await replica.write(0, toTXID(2), toTXID(2), bytesBody(bytes), { createdAt: 0 });
    await expect(readRemoteIndex(replica, wrong)).rejects.toMatchObject({ code: 'LTX_INVALID' });
  });

  test('a page that is not where the index says, or is damaged there, is refused', async () => {
    const { file, bytes } = await putFile(3);
    const index = await readRemoteIndex(replica, file);
    const [first, second] = [...index.entries()];
    if (first === undefined || second === undefined) throw new Error('no entries');
    const wrongPage = { ...first, pgno: 2 };
    await expect(readRemotePage(replica, index, wrongPage)).rejects.toMatchObject({ code: 'LTX_INVALID' });
    await expect(readRemotePage(replica, index, { ...first, size: first.size - 1 })).rejects.toMatchObject({ code: 'LTX_INVALID' });
    await expect(readRemotePage(replica, index, { ...first, offset: first.offset + 1 })).rejects.toMatchObject({ code: 'LTX_INVALID' });
    const damaged = Buffer.from(bytes);
    damaged.writeUInt32BE(7, second.offset + 6);
    await replica.write(0, toTXID(1), toTXID(1), bytesBody(damaged), { createdAt: 0, ifAbsent: false });
    await expect(readRemotePage(replica, index, second)).rejects.toMatchObject({ code: 'LTX_INVALID' });
  });
});
