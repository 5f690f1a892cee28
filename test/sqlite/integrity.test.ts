import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkIntegrity } from '../../src/sqlite/integrity.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'integrity-'));
  path = join(directory, 'app.db');
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Runs `sql` with what only this application has. */
function make(sql: string): void {
  const db = new Database(path);
  try {
    db.unsafeMode();
    db.function('ours', { deterministic: true }, (x) => x);
    db.exec(sql);
  } finally {
    db.close();
  }
}

const redefine = (table: string, sql: string): string =>
  `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '${sql.replaceAll("'", "''")}' WHERE name = '${table}'; PRAGMA writable_schema = OFF;`;

function damage(table: string): void {
  const db = new Database(path);
  const { rootpage } = db.prepare<[string], { rootpage: number }>('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(table) ?? {
    rootpage: 0,
  };
  db.close();
  const bytes = readFileSync(path);
  bytes.fill(0x5a, (rootpage - 1) * 4096 + 8, rootpage * 4096);
  writeFileSync(path, bytes);
}

describe('a table that only the application can check is named, and is no damage', () => {
  test.each([
    ['a function in a rule', 'CREATE TABLE a (x CHECK (ours(x))); INSERT INTO a VALUES (1)'],
    ['a function in an index', 'CREATE TABLE a (x); CREATE INDEX i ON a (ours(x)); INSERT INTO a VALUES (1)'],
    [
      'a collation',
      `CREATE TABLE a (x); CREATE INDEX i ON a (x); INSERT INTO a VALUES ('a'); ${redefine('a', 'CREATE TABLE a (x COLLATE ours)')}`,
    ],
    [
      'a tokenizer',
      `CREATE VIRTUAL TABLE a USING fts5 (x); INSERT INTO a VALUES ('a'); ${redefine('a', "CREATE VIRTUAL TABLE a USING fts5 (x, tokenize = 'ours')")}`,
    ],
  ])('%s', (_, sql) => {
    make(`CREATE TABLE b (x); INSERT INTO b VALUES (1); ${sql}`);
    expect(checkIntegrity(path, 'full')).toEqual({ ok: true, remark: 'not checked, for what only the application has: a' });
    damage('b');
    expect(checkIntegrity(path, 'full')).toMatchObject({ ok: false, problem: expect.any(String) });
    expect(checkIntegrity(path, 'quick')).toMatchObject({ ok: false });
  });
});

describe('rows that break a rule of their table are no damage', () => {
  test.each([
    [
      'CHECK',
      'CREATE TABLE a (x CHECK (x > 5)); PRAGMA ignore_check_constraints = ON; INSERT INTO a VALUES (1), (2)',
      'CHECK constraint failed in a',
    ],
    ['NOT NULL', `CREATE TABLE a (x); INSERT INTO a VALUES (NULL); ${redefine('a', 'CREATE TABLE a (x NOT NULL)')}`, 'NULL value in a.x'],
    [
      'STRICT',
      `CREATE TABLE a (x INT); INSERT INTO a VALUES ('a'); ${redefine('a', 'CREATE TABLE a (x INT) STRICT')}`,
      'non-INT value in a.x',
    ],
  ])('%s', (_, sql, remark) => {
    make(`${sql}; CREATE TABLE b (x); INSERT INTO b VALUES (1)`);
    for (const kind of ['quick', 'full'] as const) {
      expect(checkIntegrity(path, kind)).toEqual({ ok: true, remark: `rows break rules of their own table: ${remark}` });
    }
  });

  test('and hide none', () => {
    make(`CREATE TABLE a (x CHECK (x > 5)); CREATE TABLE z (x, y); CREATE INDEX i ON z (x);
      PRAGMA ignore_check_constraints = ON;
      INSERT INTO a WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT 0 FROM n; INSERT INTO z VALUES (1, 2);
      ${redefine('i', 'CREATE INDEX i ON z (y)')}`);
    expect(checkIntegrity(path, 'full')).toEqual({ ok: false, problem: expect.stringContaining('index i') });
    damage('z');
    expect(checkIntegrity(path, 'quick')).toEqual({ ok: false, problem: expect.any(String) });
  });
});
