import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { runJobHere } from '../../../src/workers/job-kinds.ts';
import { encode, store } from './ltx-files.ts';
import { temporaryDirectory } from './setting.ts';

/** A replica of a real database in WAL mode, with bytes changed before it was replicated. */
function setting(change: (file: Buffer) => void = () => {}) {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'made'));
  const path = join(directory, 'made', 'app.db');
  const db = new Database(path);
  db.pragma('journal_mode = wal');
  db.exec('CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t (b)');
  const insert = db.prepare('INSERT INTO t (b) VALUES (?)');
  for (let row = 0; row < 500; row++) insert.run(`row ${row} ${'x'.repeat(row)}`);
  db.close();
  const file = readFileSync(path);
  change(file);
  const pages = new Map(Array.from({ length: file.length / 4096 }, (_, at) => [at + 1, file.subarray(at * 4096, (at + 1) * 4096)]));
  store(join(directory, 'replica'), 0, 1, 1, encode(4096, 1, 1, { commit: pages.size, pages }, 1), 1);
  mkdirSync(join(directory, 'out'));
  return { replica: { type: 'file', path: join(directory, 'replica') } as const, output: join(directory, 'out', 'app.db'), file };
}

describe('a database in WAL mode', () => {
  test.each(['none', 'quick', 'full'] as const)(
    'comes back byte for byte, in WAL mode, alone in its directory (check: %s)',
    async (integrity) => {
      const { replica, output, file } = setting();
      const result = await runJobHere('restore', { store: replica, target: { type: 'latest' }, output, integrity });
      expect(result.integrity).toBe(integrity === 'none' ? 'skipped' : 'ok');
      expect(readFileSync(output).equals(file)).toBe(true);
      expect([...file.subarray(18, 20)]).toEqual([2, 2]);
      expect(readdirSync(dirname(output))).toEqual(['app.db']);
    },
  );

  test.each(['quick', 'full'] as const)('that was damaged at the source does not pass the %s check', async (integrity) => {
    const { replica, output } = setting((file) => void file.fill(0x5a, 4096 * 3, 4096 * 4));
    const failure = runJobHere('restore', { store: replica, target: { type: 'latest' }, output, integrity });
    await expect(failure).rejects.toMatchObject({ code: 'INTEGRITY_FAILED' });
    expect(readdirSync(dirname(output))).toEqual([]);
  });

  test('whose first page is no database does not pass either', async () => {
    const { replica, output } = setting((file) => void file.fill(0x5a, 0, 4096));
    const failure = runJobHere('restore', { store: replica, target: { type: 'latest' }, output, integrity: 'quick' });
    await expect(failure).rejects.toMatchObject({ code: 'INTEGRITY_FAILED' });
    expect(readdirSync(dirname(output))).toEqual([]);
  });
});
