import { beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { type TXID, toTXID } from '../../src/formats/ltx/txid.ts';
import { type FileInfo, LEVELS, type Level } from '../../src/replica/file-info.ts';
import { concatenatedLayout, pathLayout } from '../../src/replica/layout.ts';
import { Replica } from '../../src/replica/replica.ts';
import { bytesBody } from '../../src/storage/body.ts';
import { MemoryStore } from '../../src/storage/memory/memory.ts';
import type { StoreCapabilities } from '../../src/storage/object-store.ts';
import { FaultStore } from '../support/fault-store.ts';
import { makeFile } from '../support/local-files.ts';
import { constantPage, encode, header } from '../support/ltx-files.ts';

const AT = 1_767_225_600_123;

function ltx(min: number, max: number, { fill = 1, timestamp = AT } = {}): Buffer {
  return encode(header(min, max, 2, { timestamp }), [
    [1, constantPage(fill)],
    [2, constantPage(fill + 1)],
  ]);
}

function setup(capabilities: Partial<Pick<StoreCapabilities, 'conditionalPut' | 'timestamps' | 'flatList'>> = {}) {
  const store = new FaultStore(new MemoryStore({ capabilities }));
  return { store, replica: new Replica(store, pathLayout, 'db') };
}

describe('replica', () => {
  let store: FaultStore;
  let replica: Replica;
  beforeEach(() => {
    ({ store, replica } = setup());
  });

  const put = (level: Level, min: number, max: number, bytes = ltx(min, max), to = replica) =>
    to.write(level, toTXID(min), toTXID(max), bytesBody(bytes), { createdAt: AT });
  const list = async (level: Level, options: Parameters<Replica['list']>[1] = {}, of = replica) => {
    const files: FileInfo[] = [];
    for await (const file of of.list(level, options)) files.push(file);
    return files;
  };
  const ranges = (files: readonly FileInfo[]) => files.map(({ minTXID, maxTXID }) => `${minTXID}-${maxTXID}`);

  describe('that it has created a file itself, and nobody can have replaced it,', () => {
    const local = (txid: number, to = replica) =>
      to.write(0, toTXID(txid), toTXID(txid), bytesBody(ltx(txid, txid)), { createdAt: AT, isLocalFile: true });

    test('it knows of files of the local log, by their size', async () => {
      const file = await local(1);
      expect(replica.hasCreated(file)).toBe(true);
      expect(replica.hasCreated({ ...file, size: file.size + 1 })).toBe(false);
      expect(replica.hasCreated(await put(0, 2, 2))).toBe(false);
    });

    test('it says of none at a store that replaces', async () => {
      ({ store, replica } = setup({ conditionalPut: false }));
      expect(replica.hasCreated(await local(1))).toBe(false);
    });

    test('it says of none any more where a store turns out to lack what its kind has', async () => {
      const first = await local(1);
      store.script({ on: 'put', fault: { type: 'error', error: new LitestreamError('NOT_SUPPORTED', 'no hard links here') } });
      const second = await local(2);
      expect([first, second, await local(3)].map((file) => replica.hasCreated(file))).toEqual([false, false, false]);
    });

    test('it forgets when others may have written there', async () => {
      const file = await local(1);
      replica.forgetCreated();
      expect(replica.hasCreated(file)).toBe(false);
    });
  });

  describe.each([
    ['with directories', pathLayout, 'db'],
    ['joined as text', concatenatedLayout, 'db'],
  ] as const)('all levels at once, %s', (_, layout, prefix) => {
    test('are those of each level in turn, by one listing, whatever else lies there', async () => {
      ({ store } = setup({ flatList: true }));
      const flat = new Replica(store, layout, prefix);
      for (const [level, min, max] of [
        [9, 1, 5],
        [0, 6, 6],
        [1, 1, 3],
        [0, 5, 5],
        [2, 4, 9],
      ] as const)
        await put(level, min, max, ltx(min, max), flat);
      for (const stray of ['generations/0/x', 'lock.json', 'ltx/3/readme', '0003/readme', '00035/0000000000000001-0000000000000001.ltx'])
        await store.put(`${prefix}/${stray}`, bytesBody(Buffer.of(1)));
      const expected: FileInfo[] = [];
      for (const level of LEVELS) expected.push(...(await list(level, {}, flat)));
      store.calls.length = 0;
      const all: FileInfo[] = [];
      for await (const file of flat.listAll()) all.push(file);
      expect(all).toEqual(expected);
      expect(all).toHaveLength(5);
      expect(await flat.maxTXID()).toBe(9n);
      expect(store.calls.filter(({ verb }) => verb === 'list')).toHaveLength(2);
    });
  });

  test('lists a level by first, then last TXID, overlapping files included', async () => {
    for (const [min, max] of [
      [4, 8],
      [1, 1],
      [255, 256],
      [9, 9],
      [2, 3],
      [4, 5],
      [16, 20],
    ] as const)
      await put(1, min, max);
    await put(2, 1, 100);
    expect(ranges(await list(1))).toEqual(['1-1', '2-3', '4-5', '4-8', '9-9', '16-20', '255-256']);
    expect((await list(1))[0]).toEqual({ level: 1, minTXID: 1n, maxTXID: 1n, size: ltx(1, 1).length, createdAt: AT });
    expect(await list(0)).toEqual([]);
  });

  test('seeks to the files that begin at or after a TXID (row 77)', async () => {
    for (const [min, max] of [
      [1, 3],
      [4, 8],
      [5, 9],
      [16, 16],
    ] as const)
      await put(1, min, max);
    expect(ranges(await list(1, { seek: toTXID(4) }))).toEqual(['4-8', '5-9', '16-16']);
    expect(ranges(await list(1, { seek: toTXID(5) }))).toEqual(['5-9', '16-16']);
    expect(ranges(await list(1, { seek: toTXID(10) }))).toEqual(['16-16']);
    expect(await list(1, { seek: toTXID(17) })).toEqual([]);
  });

  test('skips names that are no LTX names', async () => {
    await put(0, 1, 1);
    const strays = ['x.txt', 'sub/0000000000000002-0000000000000002.ltx', '000000000000000A-000000000000000A.ltx', '1-1.ltx'];
    for (const name of [...strays, '0000000000000000-0000000000000001.ltx', '0000000000000003-0000000000000002.ltx', 'lock.json']) {
      await store.put(`db/ltx/0/${name}`, bytesBody(new Uint8Array(3)));
    }
    expect(ranges(await list(0))).toEqual(['1-1']);
  });

  test('encrypted files are an error, never an empty level', async () => {
    await store.put('db/ltx/0/0000000000000001-0000000000000001.ltx.age', bytesBody(new Uint8Array(3)));
    await expect(list(0)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    await expect(replica.maxTXID()).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
  });

  test('H3: its position is the largest maxTXID over all levels', async () => {
    expect(await replica.maxTXID()).toBe(0n);
    await put(0, 5, 5);
    expect(await replica.maxTXID()).toBe(5n);
    await put(9, 1, 12);
    await put(9, 1, 7);
    await put(3, 1, 9);
    expect(await replica.maxTXID()).toBe(12n);
    expect((await replica.newest(9))?.maxTXID).toBe(12n);
    expect(await replica.newest(8)).toBeUndefined();
  });

  test('a position is not told when one level cannot be listed', async () => {
    await put(0, 5, 5);
    store.script({ on: 'list', key: '/9/', fault: { type: 'error', error: new LitestreamError('ACCESS_DENIED', 'no') } });
    await expect(replica.maxTXID()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  test('writes, opens ranges of, and deletes files', async () => {
    const bytes = ltx(1, 3);
    const file = await put(1, 1, 3, bytes);
    expect(file).toEqual({ level: 1, minTXID: 1n, maxTXID: 3n, size: bytes.length, createdAt: AT });
    expect(Buffer.compare(await replica.read(file), bytes)).toBe(0);
    expect(Buffer.compare(await replica.read(file, { offset: 10, length: 20 }), bytes.subarray(10, 30))).toBe(0);
    await replica.delete([file, { ...file, maxTXID: toTXID(4) as TXID }]);
    await expect(replica.open(file)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    store.calls.length = 0;
    await replica.delete([]);
    expect(store.calls).toEqual([]);
  });

  describe('when a file of the name exists', () => {
    test('the same bytes are our own earlier success', async () => {
      const first = await put(0, 1, 1);
      expect(await put(0, 1, 1)).toEqual(first);
    });

    test('H13: other bytes of the same size are another writer, with both trailers told', async () => {
      await put(0, 1, 1, ltx(1, 1, { fill: 1 }));
      const failure = await put(0, 1, 1, ltx(1, 1, { fill: 2 })).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'SECOND_WRITER', details: { key: 'db/ltx/0/0000000000000001-0000000000000001.ltx' } });
      const { ours, theirs } = (failure as LitestreamError).details as Record<string, { size: number; trailer: string }>;
      expect(ours?.size).toBe(theirs?.size);
      expect(ours?.trailer).toMatch(/^[0-9a-f]{32}$/);
      expect(ours?.trailer).not.toBe(theirs?.trailer);
      const [file] = await list(0);
      expect(Buffer.compare(await replica.read(file as FileInfo), ltx(1, 1, { fill: 1 }))).toBe(0);
    });

    test('an answer that is cut is no other writer', async () => {
      await put(0, 1, 1);
      store.script({ on: 'open', fault: { type: 'broken', after: 2, ending: 'end' } });
      await expect(put(0, 1, 1)).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
      expect(await put(0, 1, 1)).toMatchObject({ maxTXID: 1n });
    });

    test('another size is another writer, an empty object too', async () => {
      const bytes = ltx(2, 2);
      await put(0, 2, 2, Buffer.concat([bytes.subarray(0, -16), Buffer.alloc(1), bytes.subarray(-16)]));
      await expect(put(0, 2, 2, bytes)).rejects.toMatchObject({ code: 'SECOND_WRITER' });
      await store.put('db/ltx/0/0000000000000001-0000000000000001.ltx', bytesBody(new Uint8Array(0)));
      await expect(put(0, 1, 1)).rejects.toMatchObject({ code: 'SECOND_WRITER', details: { theirs: { size: 0, trailer: '' } } });
    });

    test('at levels above 0 a valid file of the range is adopted, an invalid one is not', async () => {
      const theirs = ltx(1, 3, { fill: 1 });
      await put(1, 1, 3, theirs);
      expect(await put(1, 1, 3, Buffer.concat([ltx(1, 3, { fill: 2 })]))).toMatchObject({ size: theirs.length });
      expect(Buffer.compare(await replica.read((await list(1))[0] as FileInfo), theirs)).toBe(0);
      for (const [min, bytes] of [
        [10, new Uint8Array(300)],
        [20, ltx(1, 3)],
        [30, ltx(30, 30).subarray(0, 90)],
      ] as const) {
        const max = min === 30 ? 30 : min + 2;
        await put(2, min, max, Buffer.from(bytes));
        await expect(put(2, min, max, ltx(min, max, { fill: 9 })), String(min)).rejects.toMatchObject({ code: 'SECOND_WRITER' });
      }
    });

    test('a lost answer ends in success when the caller tries again', async () => {
      store.script({ on: 'put', fault: { type: 'lost-answer', error: new LitestreamError('STORAGE_UNAVAILABLE', 'reset') } });
      await expect(put(0, 7, 7)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      expect(await put(0, 7, 7)).toMatchObject({ maxTXID: 7n });
    });

    test('is replaced when asked to', async () => {
      await put(0, 1, 1, ltx(1, 1, { fill: 1 }));
      const bytes = ltx(1, 1, { fill: 2 });
      await replica.write(0, toTXID(1), toTXID(1), bytesBody(bytes), { createdAt: AT, ifAbsent: false });
      expect(Buffer.compare(await replica.read((await list(0))[0] as FileInfo), bytes)).toBe(0);
    });
  });

  test('a store that turns out to have no create-only writes is looked at before each write', async () => {
    const noLinks = { on: 'put', fault: { type: 'error', error: new LitestreamError('NOT_SUPPORTED', 'no hard links') } } as const;
    store.script(noLinks);
    await put(0, 1, 1, ltx(1, 1, { fill: 1 }));
    store.script(noLinks);
    await expect(put(0, 1, 1, ltx(1, 1, { fill: 2 }))).rejects.toMatchObject({ code: 'SECOND_WRITER' });
    store.script(noLinks);
    expect(await put(0, 1, 1, ltx(1, 1, { fill: 1 }))).toMatchObject({ maxTXID: 1n });
  });

  test('a store without the capability is overwritten in one request', async () => {
    const weak = setup({ conditionalPut: false });
    await put(0, 1, 1, ltx(1, 1, { fill: 1 }), weak.replica);
    await put(0, 1, 1, ltx(1, 1, { fill: 2 }), weak.replica);
    expect(weak.store.calls.map(({ verb }) => verb)).toEqual(['put', 'put']);
  });

  test('exact times cost nothing where listings have them (row 56)', async () => {
    await put(0, 1, 1);
    store.calls.length = 0;
    expect((await list(0, { exactTimes: true }))[0]?.createdAt).toBe(AT);
    expect(store.calls.map(({ verb }) => verb)).toEqual(['list']);
  });

  test('exact times come from stat, or from the headers, where listings have none; and fail rather than guess', async () => {
    for (const timestamps of ['stat', 'none'] as const) {
      const weak = setup({ timestamps });
      for (let txid = 1; txid <= 40; txid++) {
        await put(0, txid, txid, makeFile(txid, AT + txid).bytes, weak.replica);
      }
      const quick = await list(0, {}, weak.replica);
      expect(quick.every(({ createdAt }) => createdAt !== AT)).toBe(true);
      const exact = await list(0, { exactTimes: true }, weak.replica);
      const expected = exact.map(({ maxTXID }) => (timestamps === 'none' ? AT + Number(maxTXID) : AT));
      expect(exact.map(({ createdAt }) => createdAt)).toEqual(expected);
      expect(ranges(exact)).toEqual(ranges(quick));
      weak.store.script({
        on: timestamps === 'stat' ? 'stat' : 'open',
        key: '07.ltx',
        fault: { type: 'error', error: new LitestreamError('STORAGE_THROTTLED', 'x') },
      });
      await expect(list(0, { exactTimes: true }, weak.replica)).rejects.toMatchObject({ code: 'STORAGE_THROTTLED' });
    }
  });

  test('works the same in the other layout', async () => {
    const other = new Replica(store, concatenatedLayout, 'bucket/db');
    await put(0, 1, 1, undefined, other);
    await put(9, 1, 4, undefined, other);
    expect(store.calls.filter(({ verb }) => verb === 'put').map(({ key }) => key)).toEqual([
      'bucket/db/0000/0000000000000001-0000000000000001.ltx',
      'bucket/db/0009/0000000000000001-0000000000000004.ltx',
    ]);
    expect(await other.maxTXID()).toBe(4n);
  });

  test('an aborted call ends with the reason', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(replica.maxTXID(signal)).rejects.toBe(reason);
    await expect(replica.write(0, toTXID(1), toTXID(1), bytesBody(ltx(1, 1)), { createdAt: AT, signal })).rejects.toBe(reason);
  });
});
