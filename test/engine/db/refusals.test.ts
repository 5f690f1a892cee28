import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { Bench } from './bench.ts';

let bench: Bench | undefined;
afterEach(async () => {
  await bench?.end();
  bench = undefined;
});

test('a file that is not SQLite is refused and left as it is', async () => {
  bench = Bench.bare();
  writeFileSync(bench.path, 'not a database, but somebody needs it'.repeat(50));
  const engine = bench.engine();
  await expect(engine.sync()).rejects.toMatchObject({ code: 'DB_INVALID', hint: expect.stringMatching(/SQLite/) });
  expect(await engine.status()).toMatchObject({ state: 'failing', error: { code: 'DB_INVALID' } });
  expect(readFileSync(bench.path, 'utf8')).toBe('not a database, but somebody needs it'.repeat(50));
});

test('a directory is refused', async () => {
  bench = Bench.bare();
  mkdirSync(bench.path);
  await expect(bench.engine().sync()).rejects.toMatchObject({ code: 'DB_INVALID' });
});

test('a database in memory is refused', async () => {
  bench = Bench.bare();
  await expect(bench.engine({ path: ':memory:' }).sync()).rejects.toMatchObject({ code: 'DB_INVALID' });
});

test('a database that somebody holds exclusively in rollback mode is not switched, and tried again', async () => {
  bench = Bench.bare();
  const app = await bench.app();
  await app.exec('PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE t (x); INSERT INTO t VALUES (1)');
  const engine = bench.engine({ busyTimeoutMs: 20, monitorIntervalMs: 5 });
  await expect(engine.sync()).rejects.toMatchObject({ code: 'DB_BUSY' });
  await app.close();
  await expect.poll(async () => (await engine.status()).state).toBe('replicating');
});

test('a database in rollback mode is switched to WAL', async () => {
  bench = Bench.bare();
  const app = await bench.app();
  await app.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)');
  await bench.engine().sync();
  expect(await app.all('PRAGMA journal_mode', 'other')).toEqual([{ journal_mode: 'wal' }]);
  await app.exec('INSERT INTO t VALUES (2)');
});

test('a metadata path that cannot be a directory is refused with its reason', async () => {
  const made = await Bench.make();
  bench = made.bench;
  writeFileSync(`${bench.directory}/file`, '');
  await expect(bench.engine({ metaPath: `${bench.directory}/file/meta` }).sync()).rejects.toMatchObject({
    code: 'ACCESS_DENIED',
    details: { stage: 'mkdir' },
  });
});

test('an empty file is waited for', async () => {
  bench = Bench.bare();
  writeFileSync(bench.path, '');
  const engine = bench.engine({ monitorIntervalMs: 5, pollIntervalMs: 20 });
  await expect(engine.sync()).rejects.toMatchObject({ code: 'DB_NOT_READY' });
  expect((await engine.status()).state).toBe('waiting');
  const app = await bench.app();
  await app.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x)');
  await expect.poll(async () => (await engine.status()).state).toBe('replicating');
});

test('a symbolic link leads to the WAL beside the real file', async () => {
  const made = await Bench.make();
  bench = made.bench;
  mkdirSync(`${bench.directory}/elsewhere`);
  symlinkSync(bench.path, `${bench.directory}/elsewhere/link.db`);
  const engine = bench.engine({ path: `${bench.directory}/elsewhere/link.db` });
  await engine.sync();
  await made.app.exec('INSERT INTO t (body) VALUES (randomblob(100))');
  await engine.sync();
  expect(await bench.replicaDigest(made.app)).toBe(await made.app.digest());
  expect(bench.fullReasons).toEqual(['first file']);
});
