import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, expect, test } from 'vitest';
import { PAGE_SIZES } from '../../../src/formats/sqlite/page-size.ts';
import {
  encodeJournalHeader,
  JOURNAL_HEADER_SIZE,
  journalRecordSize,
  sealJournalRecord,
} from '../../../src/formats/sqlite/rollback-journal.ts';
import { Random } from '../../support/random.ts';

const directory = mkdtempSync(join(tmpdir(), 'litestream-journal-'));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function journalOf(image: Buffer, pageSize: number, pgnos: readonly number[]): Buffer {
  const nonce = 0xfedc_ba98;
  const size = journalRecordSize(pageSize);
  const journal = Buffer.alloc(JOURNAL_HEADER_SIZE + pgnos.length * size);
  journal.set(encodeJournalHeader({ records: pgnos.length, nonce, pages: image.length / pageSize, pageSize }));
  pgnos.forEach((pgno, index) => {
    const record = journal.subarray(JOURNAL_HEADER_SIZE + index * size, JOURNAL_HEADER_SIZE + (index + 1) * size);
    record.set(image.subarray((pgno - 1) * pageSize, pgno * pageSize), 4);
    sealJournalRecord(record, pgno, nonce);
  });
  return journal;
}

function makeImage(path: string, pageSize: number, random: Random): Buffer {
  const db = new Database(path);
  db.pragma(`page_size = ${pageSize}`);
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)');
  for (let i = 0; i < 12; i++) db.prepare('INSERT INTO t (body) VALUES (?)').run(random.bytes(pageSize));
  db.close();
  return readFileSync(path);
}

test('SQLite puts back every page of a journal, whatever became of the database, in every page size', () => {
  for (const pageSize of PAGE_SIZES) {
    const random = new Random(pageSize);
    const path = join(directory, `${pageSize}.db`);
    const image = makeImage(path, pageSize, random);
    const count = image.length / pageSize;
    for (const pages of [count + 5, count, 3]) {
      const torn = Buffer.alloc(pages * pageSize);
      image.copy(torn);
      const changed = Array.from({ length: count }, (_, index) => index + 1).filter((pgno) => pgno > pages || random.chance(0.6));
      for (const pgno of changed) if (pgno <= pages && pgno > 1) torn.fill(random.bytes(pageSize), (pgno - 1) * pageSize, pgno * pageSize);
      writeFileSync(path, torn);
      writeFileSync(`${path}-journal`, journalOf(image, pageSize, changed));
      const db = new Database(path);
      expect(db.pragma('integrity_check', { simple: true }), `${pageSize}`).toBe('ok');
      db.close();
      expect(readFileSync(path).equals(image), `${pageSize} ${pages}`).toBe(true);
      expect(existsSync(`${path}-journal`)).toBe(false);
    }
  }
});
