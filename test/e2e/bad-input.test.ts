/** What a person gets for a mistake: one clear error, the right exit status, and nothing damaged. */

import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Finished, kill, litestream, startLitestream } from '../../tools/processes.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

// Each command is a process of its own, as in scene.ts.
vi.setConfig({ testTimeout: 400_000, expect: { poll: { timeout: 90_000 } } });

let directory: TempDirectory;
let server: Server | undefined;

beforeEach(async () => {
  directory = await tempDirectory();
});

afterEach(async () => {
  server?.close();
  server = undefined;
  await directory.remove();
});

const at = (...names: string[]): string => join(directory.path, ...names);

function config(text: string): void {
  writeFileSync(at('litestream.yml'), text);
}

const replicate = (): Promise<Finished> => litestream(directory.path, 'replicate', '-once', '-config', 'litestream.yml');

/** One error with one hint, and no second error. */
function expectError({ status, stderr }: Finished, exit: number, ...texts: (string | RegExp)[]): void {
  expect(stderr.match(/^Error: /gm), stderr).toHaveLength(1);
  for (const text of texts) expect(stderr).toMatch(text);
  expect(status).toBe(exit);
}

const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

test('a configuration file that is not there', async () => {
  expectError(await replicate(), 3, 'litestream.yml', /Hint: .*-config/);
});

test('broken YAML, with line and column', async () => {
  config('dbs:\n  - path: app.db\n    replica: [\n');
  expectError(await replicate(), 3, /litestream\.yml:\d+:\d+/);
});

test('an unknown key is pointed at with line and column, and refused in strict mode', async () => {
  config('dbs:\n  - path: app.db\n    replica:\n      replicca: 1\n      path: r\n');
  const check = await litestream(directory.path, 'config', 'check', '-config', 'litestream.yml');
  expect(check.status).toBe(0);
  expect(check.stdout + check.stderr).toMatch(/litestream\.yml:4:7: dbs\[0\]\.replica\.replicca: unknown key/);
  expect((await litestream(directory.path, 'config', 'check', '-strict', '-config', 'litestream.yml')).status).toBe(3);
});

test('a file that is not a database', async () => {
  config('dbs:\n  - path: app.db\n    replica:\n      path: r\n');
  writeFileSync(at('app.db'), 'minutes of the last meeting\n'.repeat(50));
  const before = digest(at('app.db'));
  expectError(await replicate(), 1, /app\.db/, /not a SQLite database/, /Hint: /);
  expect(digest(at('app.db'))).toBe(before);
});

test('a database that cannot be switched to WAL', async () => {
  config('dbs:\n  - path: app.db\n    busy-timeout: 100ms\n    replica:\n      path: r\n');
  const db = new Database(at('app.db'));
  db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)');
  const before = digest(at('app.db'));
  // While a rollback journal is in use nobody can change the journal mode.
  db.exec('BEGIN EXCLUSIVE');
  const finished = await replicate();
  db.exec('ROLLBACK');
  db.close();
  expectError(finished, finished.status ?? 0, /app\.db/);
  expect(finished.status).not.toBe(0);
  expect(digest(at('app.db'))).toBe(before);
});

test('a directory that is not one', async () => {
  config(`dbs:\n  - path: ${at('notes', 'app.db')}\n    replica:\n      path: r\n`);
  writeFileSync(at('notes'), 'not a directory');
  expectError(await replicate(), 1, /notes/);
});

test.runIf(process.getuid?.() !== 0)('a directory that may not be read', async () => {
  config(`dbs:\n  - path: ${at('closed', 'app.db')}\n    replica:\n      path: r\n`);
  mkdirSync(at('closed'));
  chmodSync(at('closed'), 0o000);
  const finished = await replicate();
  chmodSync(at('closed'), 0o700);
  expectError(finished, 1, /closed/);
});
if (process.getuid?.() === 0) console.log('skipped: root may read every directory');

test('a port that is taken, found before any database is opened', async () => {
  server = createServer();
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  config(`addr: 127.0.0.1:${port}\ndbs:\n  - path: app.db\n    replica:\n      path: r\n`);
  new Database(at('app.db')).exec('CREATE TABLE t (x)').close();
  const before = digest(at('app.db'));
  const finished = await litestream(directory.path, 'replicate', '-config', 'litestream.yml');
  expectError(finished, 1, new RegExp(`127\\.0\\.0\\.1:${port} \\(addr\\)`), /taken/);
  expect(digest(at('app.db'))).toBe(before);
});

test('a second daemon on the same database is refused and the first one goes on', async () => {
  config('dbs:\n  - path: app.db\n    replica:\n      path: r\n');
  new Database(at('app.db')).exec('CREATE TABLE t (x)').close();
  const first = startLitestream(directory.path, 'replicate', '-config', 'litestream.yml');
  try {
    await expect.poll(() => first.output()).toContain('is running');
    await expect
      .poll(async () => (await litestream(directory.path, 'status', '-config', 'litestream.yml')).stdout)
      .toContain('replicating');
    expectError(await replicate(), 1, /app\.db/, new RegExp(`process ${first.child.pid}`), /Hint: /);
    expect((await litestream(directory.path, 'sync', '-wait', '-config', 'litestream.yml', 'app.db')).status).toBe(0);
  } finally {
    await kill(first.child, 'SIGINT');
  }
  expect(first.child.exitCode).toBe(0);
});

test('nothing to restore, and an output that exists (row 59)', async () => {
  config('dbs:\n  - path: app.db\n    replica:\n      path: r\n');
  expectError(await litestream(directory.path, 'restore', '-config', 'litestream.yml', '-o', 'out.db', 'app.db'), 4, /Hint: /);
  new Database(at('app.db')).exec('CREATE TABLE t (x)').close();
  expect((await replicate()).status).toBe(0);
  const before = digest(at('app.db'));
  expectError(await litestream(directory.path, 'restore', '-config', 'litestream.yml', 'app.db'), 1, /app\.db/, /-force/);
  expect(digest(at('app.db'))).toBe(before);
});
