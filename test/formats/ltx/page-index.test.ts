import { describe, expect, test } from 'vitest';
import { MAX_VARINT_SIZE, putUvarint, UvarintReader } from '../../../src/base/varint.ts';
import { locatePageIndex, PageIndexBuilder, type PageIndexEntry, readPageIndex } from '../../../src/formats/ltx/page-index.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { constantPage, encode, header } from '../../support/ltx-files.ts';
import { Random, seedFromEnvironment } from '../../support/random.ts';

const invalid = expect.objectContaining({ code: 'LTX_INVALID' });
const truncated = expect.objectContaining({ code: 'LTX_TRUNCATED' });
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const varint = (value: number) => {
  const bytes = new Uint8Array(MAX_VARINT_SIZE);
  return bytes.subarray(0, putUvarint(bytes, 0, value));
};

describe('varints', () => {
  test('are written low group first', () => {
    expect([0, 127, 300, 16384, 2 ** 32 - 1, 2 ** 35].map((value) => hex(varint(value)))).toEqual([
      '00',
      '7f',
      'ac02',
      '808001',
      'ffffffff0f',
      '808080808001',
    ]);
    expect(varint(Number.MAX_SAFE_INTEGER).length).toBe(MAX_VARINT_SIZE);
  });

  const seed = seedFromEnvironment();
  test(`are read back (seed ${seed})`, () => {
    const random = new Random(seed);
    for (let round = 0; round < 2000; round++) {
      const value = Math.floor(random.next() * 2 ** random.between(0, 53));
      const reader = new UvarintReader(Buffer.concat([varint(value), varint(7)]));
      expect(reader.next()).toBe(value);
      expect(reader.next()).toBe(7);
    }
    expect(new UvarintReader(varint(Number.MAX_SAFE_INTEGER)).next()).toBe(Number.MAX_SAFE_INTEGER);
  });

  test('that are cut off, too long, or not in shortest form are not read', () => {
    for (const bytes of ['', '80', 'ffff', '8000', 'ac8200', 'ffffffffffffffff01', 'ffffffffffffff7f', 'ffffffffffffff10']) {
      const reader = new UvarintReader(Buffer.from(bytes, 'hex'));
      expect(reader.next(), bytes).toBeUndefined();
      expect(reader.offset).toBe(0);
    }
  });
});

/** Reads the index of a complete file through its tail. */
function indexOf(file: Uint8Array, commit: number, min = 2): PageIndexEntry[] {
  const where = locatePageIndex(file.subarray(-24), file.length);
  const bytes = file.subarray(where.offset, where.offset + where.size);
  return [...readPageIndex(bytes, { offset: where.offset, header: { pageSize: 512, commit, minTXID: toTXID(min) } })];
}

const file = encode(
  header(2, 2, 9),
  [2, 3, 7].map((pgno) => [pgno, constantPage(pgno)] as const),
);

describe('page index', () => {
  test('lists every page frame where it lies', () => {
    const entries = indexOf(file, 9);
    expect(entries.map((entry) => entry.pgno)).toEqual([2, 3, 7]);
    let at = 100;
    for (const entry of entries) {
      expect(entry.offset).toBe(at);
      expect(file.readUInt32BE(at)).toBe(entry.pgno);
      at += entry.size;
    }
    expect(file.readUInt32BE(at)).toBe(0);
  });

  test('is found in a tail of 24 bytes or more, and LTX_TRUNCATED in less', () => {
    const expected = locatePageIndex(file, file.length);
    for (let length = 0; length <= file.length; length++) {
      const tail = file.subarray(file.length - length);
      if (length < 24) expect(() => locatePageIndex(tail, file.length)).toThrow(truncated);
      else expect(locatePageIndex(tail, file.length)).toEqual(expected);
    }
    expect(() => locatePageIndex(file, 130)).toThrow(truncated);
  });

  test('of an impossible size is LTX_INVALID', () => {
    for (const size of [0n, BigInt(file.length - 24 - 105), 2n ** 32n, 2n ** 64n - 1n]) {
      const tail = Buffer.from(file.subarray(-24));
      tail.writeBigUInt64BE(size);
      expect(() => locatePageIndex(tail, file.length), `${size}`).toThrow(invalid);
    }
  });

  test('with any byte changed or cut off is LTX_INVALID', () => {
    const { offset, size } = locatePageIndex(file, file.length);
    const context = { offset, header: { pageSize: 512, commit: 9, minTXID: toTXID(2) } };
    for (let at = 0; at < size; at++) {
      for (const bit of [1, 2, 4, 64, 128]) {
        const broken = Buffer.from(file.subarray(offset, offset + size));
        broken[at] = (broken[at] ?? 0) ^ bit;
        // A changed page number that still ascends is the one thing that only the frames themselves can contradict.
        const isPgno = [0, 3, 6].includes(at) && bit < 128;
        if (isPgno) continue;
        expect(() => [...readPageIndex(broken, context)], `byte ${at} bit ${bit}`).toThrow(invalid);
      }
      expect(() => [...readPageIndex(file.subarray(offset, offset + at), context)], `length ${at}`).toThrow(invalid);
    }
    expect(() => [...readPageIndex(Buffer.concat([file.subarray(offset, offset + size), Buffer.alloc(1)]), context)]).toThrow(invalid);
  });

  test('with pages out of order, above the commit, on the lock page or missing from a snapshot is LTX_INVALID', () => {
    const check = (pages: readonly number[], commit: number, options: { pageSize?: number; min?: number } = {}) => {
      const builder = new PageIndexBuilder();
      let at = 100;
      for (const pgno of pages) {
        builder.add(pgno, at, 20);
        at += 20;
      }
      const bytes = builder.finish();
      const context = { offset: at + 6, header: { pageSize: options.pageSize ?? 512, commit, minTXID: toTXID(options.min ?? 2) } };
      return () => [...readPageIndex(bytes.subarray(0, -8), context)].length;
    };
    expect(check([1, 5, 9], 9)()).toBe(3);
    expect(check([5, 1], 9)).toThrow(invalid);
    expect(check([5, 5], 9)).toThrow(invalid);
    expect(check([5, 10], 9)).toThrow(invalid);
    expect(check([16385], 20000, { pageSize: 65536 })).toThrow(invalid);
    expect(check([1, 2, 3], 3, { min: 1 })()).toBe(3);
    expect(check([1, 3], 3, { min: 1 })).toThrow(invalid);
    expect(check([1, 2], 3, { min: 1 })).toThrow(invalid);
    expect(check([], 3)()).toBe(0);
  });

  const seed = seedFromEnvironment();
  test(`grows to any size (seed ${seed})`, () => {
    const random = new Random(seed);
    const builder = new PageIndexBuilder();
    const expected: PageIndexEntry[] = [];
    let offset = 100;
    for (let pgno = 1; expected.length < 20_000; pgno += random.between(1, 5)) {
      if (pgno === 2_097_153) continue;
      const size = random.between(20, 540);
      expected.push({ pgno, offset, size });
      builder.add(pgno, offset, size);
      offset += size;
    }
    const bytes = builder.finish();
    const entries = bytes.subarray(0, -8);
    expect(Buffer.from(bytes).readBigUInt64BE(entries.length)).toBe(BigInt(entries.length));
    expect([...readPageIndex(entries, { offset: offset + 6, header: { pageSize: 512, commit: 2 ** 32 - 1, minTXID: toTXID(2) } })]).toEqual(
      expected,
    );
  });
});
