import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { lockPage, PAGE_SIZES } from '../../../src/formats/sqlite/page-size.ts';
import { decodeWALHeader } from '../../../src/formats/wal/header.ts';
import { buildPageMap } from '../../../src/formats/wal/page-map.ts';
import { openWALReader } from '../../../src/formats/wal/reader.ts';
import { Random, seedFromEnvironment } from '../../support/random.ts';
import { readerOf, WALBuilder } from '../../support/wal-builder.ts';

const read = (file: Uint8Array, offset?: number) => {
  const start = openWALReader(readerOf(file), decodeWALHeader(file), offset);
  if (!start.ok) throw new Error(start.problem);
  return start.reader;
};

const page = (byte: number) => Buffer.alloc(512, byte);

describe('page map', () => {
  test('a WAL without frames gives an empty map', () => {
    expect(buildPageMap(read(new WALBuilder({ pageSize: 512 }).bytes))).toEqual({
      pages: new Map(),
      commit: 0,
      start: 32,
      end: 32,
      frames: 0,
      transactions: 0,
      limited: false,
      walEnd: 'end-of-file',
    });
  });

  test('a transaction without its commit frame does not count, not even for pages seen before', () => {
    const wal = new WALBuilder({ pageSize: 512 });
    const first = wal.frame(1, page(1), 1);
    const { offset } = wal;
    wal.frame(1, page(2));
    wal.frame(2, page(3));
    const map = buildPageMap(read(wal.bytes));
    expect([...map.pages]).toEqual([[1, first + 24]]);
    expect(map).toMatchObject({ commit: 1, end: offset, frames: 1, transactions: 1 });
  });

  test('pages above the final commit are dropped, as VACUUM leaves them', () => {
    const wal = new WALBuilder({ pageSize: 512 });
    for (let pgno = 1; pgno <= 5; pgno++) wal.frame(pgno, page(pgno), pgno === 5 ? 5 : 0);
    wal.frame(1, page(9), 2);
    const map = buildPageMap(read(wal.bytes));
    expect([...map.pages.keys()].sort()).toEqual([1, 2]);
    expect(map).toMatchObject({ commit: 2, frames: 6, transactions: 2 });
  });

  test('a page dropped by a shrink and written again by a growth counts', () => {
    const wal = new WALBuilder({ pageSize: 512 });
    wal.frame(3, page(1), 3);
    wal.frame(1, page(2), 1);
    const newest = wal.frame(3, page(3), 3);
    expect(buildPageMap(read(wal.bytes)).pages.get(3)).toBe(newest + 24);
  });

  test('the lock page is never in the map', () => {
    const wal = new WALBuilder({ pageSize: 65536 });
    const lock = lockPage(65536);
    wal.frame(lock, Buffer.alloc(65536), 0);
    wal.frame(lock + 1, Buffer.alloc(65536), lock + 1);
    expect([...buildPageMap(read(wal.bytes)).pages.keys()]).toEqual([lock + 1]);
  });

  test('the soft limit ends the map at the first commit at or after it', () => {
    const wal = new WALBuilder({ pageSize: 512 });
    const ends: number[] = [];
    for (let pgno = 1; pgno <= 6; pgno++) {
      wal.frame(pgno, page(pgno), pgno % 2 === 0 ? pgno : 0);
      if (pgno % 2 === 0) ends.push(wal.offset);
    }
    const limit = (bytes: number) => buildPageMap(read(wal.bytes), { softLimitBytes: bytes });
    expect(limit(1)).toMatchObject({ end: ends[0], commit: 2, limited: true, walEnd: undefined });
    expect(limit(2 * 536)).toMatchObject({ end: ends[0], limited: true });
    expect(limit(2 * 536 + 1)).toMatchObject({ end: ends[1], limited: true });
    expect(limit(7 * 536)).toMatchObject({ end: ends[2], limited: false });
  });

  test('a hard end discards every transaction that ends behind it', () => {
    const wal = new WALBuilder({ pageSize: 512 });
    wal.frame(1, page(1), 1);
    const end = wal.offset;
    wal.frame(1, page(2));
    wal.frame(2, page(3), 2);
    const hard = (hardEnd: number) => buildPageMap(read(wal.bytes), { hardEnd });
    expect(hard(32)).toMatchObject({ end: 32, transactions: 0, limited: true });
    expect(hard(end)).toMatchObject({ end, commit: 1, transactions: 1, limited: true });
    expect(hard(wal.offset - 1)).toMatchObject({ end, commit: 1, transactions: 1, limited: true });
    expect(hard(wal.offset)).toMatchObject({ end: wal.offset, commit: 2, transactions: 2, limited: false });
  });

  const seed = seedFromEnvironment();
  test(`equals a naive replay, from the start and from every commit (seed ${seed})`, () => {
    const random = new Random(seed);
    for (let round = 0; round < 20; round++) {
      const wal = new WALBuilder({ pageSize: 512, bigEndian: random.chance(0.5) });
      const written: { pgno: number; commit: number; offset: number }[] = [];
      for (let i = random.between(0, 60); i > 0; i--) {
        const pgno = random.between(1, 12);
        const commit = random.chance(0.3) ? random.between(1, 12) : 0;
        written.push({ pgno, commit, offset: wal.frame(pgno, random.bytes(512), commit) });
      }
      const starts = [32, ...written.filter((frame) => frame.commit > 0).map((frame) => frame.offset + 536)];
      for (const start of starts) {
        const rest = written.filter((frame) => frame.offset >= start);
        const last = rest.findLastIndex((frame) => frame.commit > 0);
        const counted = rest.slice(0, last + 1);
        const commit = counted.at(-1)?.commit ?? 0;
        const expected = new Map(counted.filter((frame) => frame.pgno <= commit).map((frame) => [frame.pgno, frame.offset + 24]));
        const map = buildPageMap(read(wal.bytes, start));
        expect(new Map(map.pages)).toEqual(expected);
        expect(map).toMatchObject({ commit, start, end: start + counted.length * 536, frames: counted.length });
      }
    }
  });

  for (const pageSize of PAGE_SIZES) {
    test(`agrees with SQLite about its own WAL, pages of ${pageSize} bytes`, () => {
      const folder = mkdtempSync(join(tmpdir(), 'page-map-'));
      try {
        const db = new Database(join(folder, 'app.db'));
        db.pragma(`page_size = ${pageSize}`);
        db.pragma('journal_mode = wal');
        db.pragma('wal_autocheckpoint = 0');
        db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)');
        const insert = db.prepare('INSERT INTO t (body) VALUES (randomblob(?))');
        for (let i = 0; i < 50; i++) insert.run(i * 100);
        db.exec('DELETE FROM t WHERE id % 3 = 0; VACUUM');
        for (let i = 0; i < 10; i++) insert.run(i * 1000);
        const wal = readFileSync(join(folder, 'app.db-wal'));
        const image = db.serialize();
        const map = buildPageMap(read(wal));
        expect(map).toMatchObject({ commit: image.length / pageSize, end: wal.length, limited: false });
        expect(map.pages.size).toBe(map.commit);
        for (const [pgno, offset] of map.pages) {
          const expected = Buffer.from(image.subarray((pgno - 1) * pageSize, pgno * pageSize));
          // serialize() answers with the journal mode of a database in memory.
          if (pgno === 1) expected.fill(2, 18, 20);
          expect(wal.subarray(offset, offset + pageSize).equals(expected), `page ${pgno}`).toBe(true);
        }
        db.close();
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
});
