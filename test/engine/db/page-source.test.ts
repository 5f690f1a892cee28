import { describe, expect, test } from 'vitest';
import type { ReadAt } from '../../../src/base/bytes.ts';
import { allPages, incrementPages, PageSource, runsOf } from '../../../src/engine/db/page-source.ts';

const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (position, into) => {
    const part = bytes.subarray(position, position + into.length);
    into.set(part);
    return part.length;
  };

/** Pages of 512 bytes filled with a number each. */
const pagesOf = (...values: number[]): Uint8Array => new Uint8Array(values.flatMap((value) => new Array<number>(512).fill(value)));

const source = (beyondEnd: 'zeros' | 'refuse', wal: ReadonlyMap<number, number>): PageSource =>
  new PageSource({
    pageSize: 512,
    pages: wal,
    readWAL: readerOf(pagesOf(91, 92, 93)),
    readDatabase: readerOf(pagesOf(1, 2, 3, 4)),
    beyondEnd,
  });

const firstBytes = (bytes: Uint8Array): number[] => [...bytes].filter((_, i) => i % 512 === 0);

describe('PageSource', () => {
  test('takes each page from the WAL where it has it, else from the database file', () => {
    const into = new Uint8Array(4 * 512);
    source(
      'refuse',
      new Map([
        [2, 512],
        [4, 0],
      ]),
    ).readRun(1, into);
    expect(firstBytes(into)).toEqual([1, 92, 3, 91]);
  });

  test('refuses an increment that needs a page beyond the end of the file', () => {
    expect(() => source('refuse', new Map()).readRun(4, new Uint8Array(2 * 512))).toThrow(
      expect.objectContaining({ code: 'PAGE_MISSING', details: { pgno: 5 } }),
    );
  });

  test('reads zeros beyond the end in a full file, as SQLite does', () => {
    const into = new Uint8Array(3 * 512).fill(7);
    source('zeros', new Map()).readRun(4, into);
    expect(firstBytes(into)).toEqual([4, 0, 0]);
  });

  test('refuses a WAL that has become shorter', () => {
    expect(() => source('zeros', new Map([[1, 5 * 512]])).readRun(1, new Uint8Array(512))).toThrow(
      expect.objectContaining({ code: 'DB_NOT_READY' }),
    );
  });
});

describe('runs of pages', () => {
  test('allPages leaves the lock page out and keeps runs short', () => {
    expect([...allPages(5, 4096, 2)]).toEqual([
      { first: 1, count: 2 },
      { first: 3, count: 2 },
      { first: 5, count: 1 },
    ]);
    const around = [...allPages(16_387, 65_536, 16_000)];
    expect(around).toEqual([
      { first: 1, count: 16_000 },
      { first: 16_001, count: 384 },
      { first: 16_386, count: 2 },
    ]);
    expect([...allPages(16_385, 65_536, 20_000)]).toEqual([{ first: 1, count: 16_384 }]);
    expect([...allPages(16_384, 65_536, 20_000)]).toEqual([{ first: 1, count: 16_384 }]);
  });

  test('runsOf takes neighbours together', () => {
    expect([...runsOf([1, 2, 3, 7, 9, 10], 2)]).toEqual([
      { first: 1, count: 2 },
      { first: 3, count: 1 },
      { first: 7, count: 1 },
      { first: 9, count: 2 },
    ]);
    expect([...runsOf([], 5)]).toEqual([]);
  });

  test('incrementPages adds every page by which the database grew, but not the lock page', () => {
    const wal = new Map([
      [9, 0],
      [2, 0],
    ]);
    expect(incrementPages(wal, 6, 9, 4096)).toEqual([2, 7, 8, 9]);
    expect(incrementPages(wal, 20, 9, 4096)).toEqual([2, 9]);
    expect(incrementPages(new Map(), 16_383, 16_386, 65_536)).toEqual([16_384, 16_386]);
  });
});
