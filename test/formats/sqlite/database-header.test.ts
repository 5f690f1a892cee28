import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../src/base/errors.ts';
import { DATABASE_HEADER_SIZE, parseDatabaseHeader } from '../../../src/formats/sqlite/database-header.ts';
import { isPageSize, lockPage, PAGE_SIZES } from '../../../src/formats/sqlite/page-size.ts';
import { sharedFixtures } from '../../support/shared-fixtures.ts';

/** A header as SQLite writes it. */
function sample(pageSize = 4096): Buffer {
  const bytes = Buffer.alloc(100);
  bytes.write('SQLite format 3\0', 0, 'latin1');
  bytes.writeUInt16BE(pageSize === 65536 ? 1 : pageSize, 16);
  bytes.set([2, 2, 0, 64, 32, 32], 18);
  bytes.writeUInt32BE(17, 24);
  bytes.writeUInt32BE(5, 28);
  bytes.writeUInt32BE(3, 40);
  bytes.writeInt32BE(-9, 60);
  bytes.writeUInt32BE(17, 92);
  bytes.writeUInt32BE(3051003, 96);
  return bytes;
}

const refused = (bytes: Uint8Array) => {
  try {
    parseDatabaseHeader(bytes);
  } catch (error) {
    return hasCode(error, 'SQLITE_INVALID');
  }
  return false;
};

describe('database header', () => {
  for (const pageSize of PAGE_SIZES) {
    test(`page size ${pageSize} is read`, () => {
      expect(parseDatabaseHeader(sample(pageSize))).toEqual({
        pageSize,
        writeVersion: 2,
        readVersion: 2,
        reservedBytes: 0,
        changeCounter: 17,
        sizeInPages: 5,
        sizeIsValid: true,
        schemaCookie: 3,
        userVersion: -9,
        applicationId: 0,
        sqliteVersion: 3051003,
      });
    });
  }

  test('a size that belongs to another change is not valid', () => {
    const stale = sample();
    stale.writeUInt32BE(18, 24);
    expect(parseDatabaseHeader(stale).sizeIsValid).toBe(false);
    expect(parseDatabaseHeader(sample().fill(0, 28, 32)).sizeIsValid).toBe(false);
  });

  test('fewer than 100 bytes are SQLITE_INVALID, at every length', () => {
    for (let length = 0; length < DATABASE_HEADER_SIZE; length++) expect(refused(sample().subarray(0, length))).toBe(true);
    expect(refused(sample())).toBe(false);
  });

  test('a changed magic, page size, version or fraction is SQLITE_INVALID', () => {
    for (const at of [0, 15, 16, 21, 22, 23]) {
      const broken = sample();
      broken[at] = (broken[at] ?? 0) ^ 3;
      expect(refused(broken), `byte ${at}`).toBe(true);
    }
    for (const [at, value] of [
      [18, 0],
      [19, 0],
      [19, 3],
    ] as const) {
      const broken = sample();
      broken[at] = value;
      expect(refused(broken), `byte ${at} = ${value}`).toBe(true);
    }
  });

  test('a header that SQLite wrote is read', () => {
    const db = new Database(':memory:');
    db.exec('PRAGMA page_size = 8192; PRAGMA user_version = 42; PRAGMA application_id = 7; CREATE TABLE t (a)');
    const bytes = db.serialize();
    db.close();
    expect(parseDatabaseHeader(bytes)).toMatchObject({
      pageSize: 8192,
      sizeInPages: 2,
      sizeIsValid: true,
      userVersion: 42,
      applicationId: 7,
    });
  });
});

describe('lock page', () => {
  test('is the page that contains byte 2^30, for every page size', () => {
    expect(PAGE_SIZES.map(lockPage)).toEqual([2097153, 1048577, 524289, 262145, 131073, 65537, 32769, 16385]);
  });

  test('is refused for anything that is no page size', () => {
    for (const size of [0, 1, 256, 513, 131072, 4095.5, Number.NaN]) {
      expect(isPageSize(size)).toBe(false);
      expect(() => lockPage(size)).toThrow(/not a page size/);
    }
  });
});

const store = sharedFixtures('upstream/store');

describe.skipIf(store === undefined)('databases of the original', () => {
  const database = (path: string) => readFileSync(join(store ?? '', path, 'database'));

  test('a good one is read', () => {
    expect(parseDatabaseHeader(database('open-and-write-snapshot/dbs/sqlite.db'))).toMatchObject({ pageSize: 4096, sizeInPages: 10 });
  });

  for (const name of ['open-invalid-database-header', 'open-name-only', 'open-short-database']) {
    test(`${name} is SQLITE_INVALID`, () => {
      expect(refused(database(`${name}/dbs/test.db`))).toBe(true);
    });
  }
});
