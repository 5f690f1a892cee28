import { describe, expect, test } from 'vitest';
import { legacyHex, parseLegacyName, segmentName } from '../../src/formats/v3/names.ts';
import { listLegacy } from '../../src/replica/legacy/listing.ts';
import { bytesBody } from '../../src/storage/body.ts';
import { MemoryStore } from '../../src/storage/memory/memory.ts';

const A = 'aaaaaaaaaaaaaaaa';
const B = '0123456789abcdef';

async function storeWith(...keys: readonly string[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const [at, key] of keys.entries()) await store.put(key, bytesBody(Uint8Array.of(at)), { createdAt: 1000 * (at + 1) });
  return store;
}

describe('names of version 0.3', () => {
  test('are read and written alike', () => {
    expect(parseLegacyName(`${A}/snapshots/0000000f.snapshot.lz4`)).toEqual({ kind: 'snapshot', generation: A, index: 15 });
    expect(parseLegacyName(`${A}/wal/00000003_00001038.wal.lz4`)).toEqual({ kind: 'segment', generation: A, index: 3, offset: 0x1038 });
    expect(segmentName({ index: 3, offset: 0x1038 })).toBe('00000003_00001038');
    expect(legacyHex(0x1_0000_0000)).toBe('100000000');
  });

  test('issue 1442: offsets beyond 8 hex digits are read (row 62)', () => {
    for (const [digits, offset] of [
      ['100000000', 2 ** 32],
      ['0000000100000000', 2 ** 32],
      ['1fffffffffffff', 2 ** 53 - 1],
    ] as const) {
      expect(parseLegacyName(`${A}/wal/00000000_${digits}.wal.lz4`)).toMatchObject({ offset });
    }
  });

  test.each([
    'wal/00000000_00000000.wal.lz4',
    `${A}/wal/00000000_0000000.wal.lz4`,
    `${A}/wal/00000000_00000000000000000.wal.lz4`,
    `${A}/wal/00000000_ffffffffffffffff.wal.lz4`,
    `${A}/wal/80000000_00000000.wal.lz4`,
    `${A}/wal/00000000_00000000.wal.lz4.tmp`,
    `${A}/wal/00000000_00000000.wal`,
    `${A}/snapshots/00000000.wal.lz4`,
    `${A.toUpperCase()}/snapshots/00000000.snapshot.lz4`,
    `${A}/snapshots/000000000.snapshot.lz4`,
  ])('%s is none', (key) => {
    expect(parseLegacyName(key)).toBeUndefined();
  });
});

describe('the listing', () => {
  test.each([
    ['', ''],
    ['.', ''],
    ['./db', 'db/'],
    ['db', 'db/'],
    ['db/', 'db/'],
    ['a//db', 'a/db/'],
    ['a/./db/', 'a/db/'],
  ])('below the path "%s" looks where version 0.3 wrote, and nowhere else', async (prefix, written) => {
    const names = [`generations/${A}/snapshots/00000000.snapshot.lz4`, `generations/${A}/wal/00000000_00000000.wal.lz4`];
    const others = ['other/', 'db2/', 'a/db2/', `${written}below/`];
    const store = await storeWith(...[written, ...others].flatMap((place) => names.map((name) => place + name)));
    const { generations, unknown } = await listLegacy(store, prefix);
    expect(generations.flatMap(({ snapshots, segments }) => [...snapshots, ...segments].map(({ key }) => key))).toEqual(
      names.map((name) => written + name),
    );
    expect(unknown).toEqual([]);
  });

  test('is empty for a store without data of version 0.3', async () => {
    const store = await storeWith('ltx/0/0000000000000001-0000000000000001.ltx');
    expect(await listLegacy(store, '')).toEqual({ generations: [], unknown: [] });
  });

  test('has generations by name, snapshots by index, segments by index and offset, with the times of the store', async () => {
    const store = await storeWith(
      `generations/${A}/wal/00000001_00000000.wal.lz4`,
      `generations/${A}/wal/00000000_100000000.wal.lz4`,
      `generations/${A}/wal/00000000_ffffffff.wal.lz4`,
      `generations/${A}/snapshots/00000001.snapshot.lz4`,
      `generations/${A}/snapshots/00000000.snapshot.lz4`,
      `generations/${B}/snapshots/00000007.snapshot.lz4`,
    );
    const { generations, unknown } = await listLegacy(store, '');
    expect(unknown).toEqual([]);
    expect(generations.map(({ id }) => id)).toEqual([B, A]);
    expect(generations[1]?.snapshots.map(({ index, createdAt }) => [index, createdAt])).toEqual([
      [0, 5000],
      [1, 4000],
    ]);
    expect(generations[1]?.segments.map(({ index, offset, createdAt }) => [index, offset, createdAt])).toEqual([
      [0, 0xffff_ffff, 3000],
      [0, 2 ** 32, 2000],
      [1, 0, 1000],
    ]);
  });

  test('names what it cannot read', async () => {
    const store = await storeWith(`generations/${A}/snapshots/00000000.snapshot.lz4`, `generations/${A}/wal/00000000_0.wal.lz4`);
    expect((await listLegacy(store, '')).unknown).toEqual([`generations/${A}/wal/00000000_0.wal.lz4`]);
  });

  test('stays below its prefix', async () => {
    const store = await storeWith(
      `one/generations/${A}/snapshots/00000000.snapshot.lz4`,
      `generations/${B}/snapshots/00000000.snapshot.lz4`,
    );
    expect((await listLegacy(store, 'one')).generations.map(({ id }) => id)).toEqual([A]);
    expect((await listLegacy(store, 'one/')).generations.map(({ id }) => id)).toEqual([A]);
  });
});
