/** The daemon as a process: what it says, how it ends, and what is in the replica then. */

import { renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ended, kill } from '../../tools/processes.ts';
import { type Daemon, interrupt, POLL, Scene, said } from './scene.ts';

let scene: Scene;

beforeEach(() => {
  scene = new Scene();
});

afterEach(() => scene.end());

/** One database whose replica has all there will be: no merges, and after the first snapshot none for a day. */
async function quiet(text: string): Promise<Daemon> {
  scene.config(`${text}\nlevels: []\nsnapshot: {interval: 24h}`);
  scene.insert('first');
  const daemon = await scene.daemon();
  await scene.ok('sync', '-wait', 'app.db');
  await expect.poll(() => scene.ltxFiles('replica', '9').length, POLL).toBe(1);
  return daemon;
}

test('it says what it replicates, where it listens, what may be done there, and what to type next', async () => {
  scene.config('addr: 127.0.0.1:0\nmcp-addr: 127.0.0.1:0');
  scene.insert('x');
  const daemon = await scene.daemon();
  await said(daemon, 'litestream status');
  const block = daemon.output().slice(daemon.output().indexOf('litestream '));
  expect(block).toMatch(/^litestream \S+ is running$/m);
  expect(block).toMatch(/^ {2}database +app {2}\S+\/app\.db$/m);
  expect(block).toMatch(/^ {4}replica +file {2}\S+\/replica, at most every 50ms$/m);
  expect(block).toMatch(/^ {2}metrics +http:\/\/127\.0\.0\.1:[1-9]\d*\/metrics$/m);
  expect(block).toMatch(/^ {2}mcp +http:\/\/127\.0\.0\.1:[1-9]\d*\/mcp, read-only, this machine only/m);
  expect(block).toMatch(/^ {2}next +litestream status -config \S+\/litestream\.yml$/m);
  const metrics = /metrics +(http:\S+)/.exec(block)?.[1] ?? '';
  await scene.replicates();
  expect(await (await fetch(metrics)).text()).toMatch(/^litestream_replica_lag_seconds\{/m);
  expect((await fetch(metrics.replace('/metrics', '/healthz'))).status).toBe(200);
});

test('Ctrl-C uploads the last commit and ends with 0', async () => {
  scene.config();
  scene.insert('first');
  const daemon = await scene.daemon();
  await scene.replicates();
  scene.insert('in the last moment');
  expect(await interrupt(daemon), daemon.output()).toBe(0);
  expect(await scene.restored()).toEqual(['first', 'in the last moment']);
});

test('a replica that has become a file: exit status 5, what is missing is named, and the next start uploads it', async () => {
  const daemon = await quiet('shutdown-sync-timeout: 500ms');
  renameSync(scene.at('replica'), scene.at('kept'));
  writeFileSync(scene.at('replica'), 'in the way');
  scene.insert('second');
  expect(await interrupt(daemon)).toBe(5);
  expect(daemon.output()).toMatch(/Error: .*did not reach a replica/);
  expect(daemon.output()).toMatch(/app: file: /);
  rmSync(scene.at('replica'));
  renameSync(scene.at('kept'), scene.at('replica'));
  await scene.ok('replicate', '-once');
  expect(await scene.restored()).toEqual(['first', 'second']);
});

test('a replica that refuses ends -once within seconds with status 5, named once in the log and first in the error', async () => {
  scene.insert('first');
  writeFileSync(scene.at('in-the-way'), 'a file');
  scene.write(
    'litestream.yml',
    'shutdown-sync-timeout: 10m\ndbs:\n  - path: app.db\n    replica:\n      type: file\n      path: in-the-way/replica\n',
  );
  for (const content of ['nothing was captured before', 'local files are there']) {
    const begun = performance.now();
    const { status, stdout, stderr } = await scene.with('replicate', '-once');
    expect(performance.now() - begun, content).toBeLessThan(150_000);
    const output = `${stdout}${stderr}`;
    expect(status, output).toBe(5);
    expect(output).toMatch(/^Error: .*\n {2}app: file: CONTAINER_NOT_FOUND: .*in-the-way\/replica.*is the destination path right/m);
    const lines = output.split('\n').filter((line) => /level=(WARN|ERROR)/.test(line));
    expect(lines.filter((line) => line.includes('CONTAINER_NOT_FOUND') && line.includes('upload failed'))).toHaveLength(1);
    expect(lines.length, output).toBeLessThanOrEqual(3);
    if (content.startsWith('local')) break;
    rmSync(scene.at('in-the-way'));
    await scene.ok('replicate', '-once');
    scene.insert('second');
    rmSync(scene.at('in-the-way'), { recursive: true });
    writeFileSync(scene.at('in-the-way'), 'a file');
  }
});

test('Ctrl-C does not wait for a replica that refuses', async () => {
  scene.insert('first');
  writeFileSync(scene.at('replica'), 'in the way');
  scene.write(
    'litestream.yml',
    'shutdown-sync-timeout: 10m\ndbs:\n  - path: app.db\n    replica:\n      type: file\n      path: replica/below\n',
  );
  const daemon = await scene.daemon();
  const begun = performance.now();
  expect(await interrupt(daemon)).toBe(5);
  expect(performance.now() - begun).toBeLessThan(150_000);
  expect(daemon.output()).toMatch(/app: file: CONTAINER_NOT_FOUND: /);
});

test("-exec: the child's status passes on, and what it committed last is in the replica", async () => {
  scene.write(
    'child.mjs',
    `import Database from ${JSON.stringify(import.meta.resolve('better-sqlite3'))};
const db = new Database('app.db');
db.pragma('journal_mode = WAL');
db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO t (body) VALUES ('from the child')");
process.exitCode = 7;
`,
  );
  scene.config();
  const daemon = scene.start('-config', 'litestream.yml', '-exec', `"${process.execPath}" child.mjs`);
  await ended(daemon.child);
  expect(daemon.child.exitCode, daemon.output()).toBe(7);
  expect(await scene.restored()).toEqual(['from the child']);
});

test('a database and a URL are enough, without a configuration', async () => {
  scene.insert('x');
  const daemon = await scene.daemon('app.db', `file://${scene.at('elsewhere')}`);
  await expect.poll(() => scene.ltxFiles('elsewhere').length, POLL).toBeGreaterThan(0);
  scene.insert('y');
  expect(await interrupt(daemon), daemon.output()).toBe(0);
  const { status } = await scene.run('restore', '-o', 'copy.db', `file://${scene.at('elsewhere')}`);
  expect(status).toBe(0);
  expect(scene.bodies('copy.db')).toEqual(['x', 'y']);
});

test('a database that is not there yet is waited for and picked up', async () => {
  scene.config();
  const daemon = await scene.daemon();
  expect(daemon.output()).toContain('(waiting: it does not exist yet)');
  expect(await scene.ok('status')).toMatch(/no database .*waiting/);
  scene.insert('made later');
  await expect.poll(() => scene.ltxFiles().length, POLL).toBeGreaterThan(0);
  expect(await interrupt(daemon), daemon.output()).toBe(0);
  expect(await scene.restored()).toEqual(['made later']);
});

test('a database that is deleted and made again while the daemon runs goes on in the same history', async () => {
  scene.config();
  scene.insert('old');
  const daemon = await scene.daemon();
  await scene.ok('sync', '-wait', 'app.db');
  const before = scene.ltxFiles();
  scene.closeDatabase();
  for (const suffix of ['', '-wal', '-shm']) rmSync(scene.at(`app.db${suffix}`), { force: true });
  await expect.poll(async () => scene.ok('status'), POLL).toMatch(/waiting/);
  scene.insert('new');
  await scene.replicates();
  await scene.ok('sync', '-wait', 'app.db');
  expect(scene.ltxFiles().slice(0, before.length)).toEqual(before);
  expect(await scene.restored()).toEqual(['new']);
  expect(await scene.restored('-txid', before.at(-1)?.slice(0, 16) ?? '')).toEqual(['old']);
  expect(await interrupt(daemon), daemon.output()).toBe(0);
});

test('killed with SIGKILL and started again it goes on with increments', async () => {
  scene.config();
  // Large enough that a full file and an increment cannot be mistaken for each other.
  scene.db().exec('CREATE TABLE ballast (data BLOB); INSERT INTO ballast VALUES (randomblob(500000))');
  scene.insert('before');
  const first = await scene.daemon();
  await scene.ok('sync', '-wait', 'app.db');
  await kill(first.child);
  const before = scene.ltxFiles();
  scene.insert('while it is dead');
  const second = await scene.daemon();
  await scene.replicates();
  scene.insert('after');
  await scene.ok('sync', '-wait', 'app.db');
  const added = scene.ltxFiles().slice(before.length);
  expect(added.length).toBeGreaterThan(0);
  for (const name of added) expect(statSync(scene.at('replica', 'ltx', '0', name)).size, name).toBeLessThan(100_000);
  expect(second.output()).not.toContain('wrote a full file');
  expect(await interrupt(second), second.output()).toBe(0);
  expect(await scene.restored()).toEqual(['before', 'while it is dead', 'after']);
});

test('a second Ctrl-C skips what is tried again and again at the end (row 51)', async () => {
  const daemon = await quiet('shutdown-sync-timeout: 10m');
  rmSync(scene.at('replica'), { recursive: true });
  // Following it fails with ELOOP, which is not known to be a refusal.
  symlinkSync('replica', scene.at('replica'));
  scene.insert('y');
  daemon.child.kill('SIGINT');
  // It says so a while after the first one: a second one that came at once would count as its echo.
  await said(daemon, 'press Ctrl-C again to skip it');
  expect(daemon.child.exitCode).toBe(null);
  const begun = performance.now();
  expect(await interrupt(daemon)).toBe(5);
  expect(performance.now() - begun).toBeLessThan(150_000);
  expect(daemon.output()).toContain('Skipping');
});

test('-restore-if-db-not-exists brings the database back before it is replicated', async () => {
  scene.config();
  scene.insert('kept');
  await scene.ok('replicate', '-once');
  scene.closeDatabase();
  for (const name of ['app.db', 'app.db-wal', 'app.db-shm', '.app.db-litestream']) rmSync(scene.at(name), { recursive: true, force: true });
  const daemon = await scene.daemon('-config', 'litestream.yml', '-restore-if-db-not-exists');
  await scene.replicates();
  const db = new Database(scene.at('app.db'));
  expect(db.prepare('SELECT body FROM t').pluck().all()).toEqual(['kept']);
  db.close();
  expect(await interrupt(daemon), daemon.output()).toBe(0);
});
