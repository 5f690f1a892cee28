import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { readOwner } from '../../../src/sqlite/owner-lock.ts';
import type { App } from '../../support/app-process.ts';
import { Bench } from './bench.ts';
import { EngineProcess } from './engine-process.ts';

let bench: Bench;
let app: App;
const processes: EngineProcess[] = [];
beforeEach(async () => {
  ({ bench, app } = await Bench.make());
  await app.exec('PRAGMA busy_timeout = 0');
});
afterEach(async () => {
  for (const process of processes.splice(0)) await process.kill();
  await bench.end();
});

const insert = (bytes = 3000): Promise<void> => app.exec(`INSERT INTO t (body) VALUES (randomblob(${bytes}))`);

/** SQLite's locks of this process still stand: another process can neither truncate the WAL nor leave rollback mode nor remove the WAL by closing. */
async function expectLocksHeld(): Promise<void> {
  await insert();
  expect(await app.checkpoint('TRUNCATE')).toMatchObject({ busy: 1 });
  await expect(app.exec('PRAGMA journal_mode = DELETE')).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
  await app.close();
  expect(statSync(`${bench.path}-wal`).size).toBeGreaterThan(32);
  await app.exec('PRAGMA busy_timeout = 0');
}

describe('the locks of SQLite survive everything that we do', () => {
  test('syncs, checkpoints, snapshots, page sums and status (row 1)', async () => {
    const engine = bench.engine();
    await engine.sync();
    await expectLocksHeld();
    await engine.sync();
    await expectLocksHeld();
    await engine.snapshot(bench.directory);
    await expectLocksHeld();
    await engine.pageSums(bench.directory);
    await expectLocksHeld();
    await engine.status();
    await engine.checkpoint('PASSIVE');
    await engine.sync();
    await expectLocksHeld();
    await engine.checkpoint('TRUNCATE');
    await engine.sync();
    await expectLocksHeld();
    await engine.sync();
    expect(bench.fullReasons).toEqual(['first file']);
  });

  test('an engine of the same database that is refused does not drop the locks of the first', async () => {
    const engine = bench.engine();
    await engine.sync();
    const second = bench.engine();
    await expect(second.sync()).rejects.toMatchObject({ code: 'DB_OWNED' });
    await second.close();
    await expectLocksHeld();
    await engine.sync();
  });

  test('after close the application is alone again, and the WAL is as it was', async () => {
    const engine = bench.engine();
    // The application does not wait for locks here, and opening needs one.
    await engine.sync();
    await insert();
    await engine.sync();
    const size = statSync(`${bench.path}-wal`).size;
    await app.close();
    await engine.close();
    expect(statSync(`${bench.path}-wal`).size).toBe(size);
    await app.exec('PRAGMA busy_timeout = 0');
    expect(await app.checkpoint('TRUNCATE')).toMatchObject({ busy: 0 });
  });

  test('the application is not kept from writing', async () => {
    const engine = bench.engine();
    await engine.sync();
    await engine.checkpoint('PASSIVE');
    await insert();
    await engine.close();
    await insert();
  });
});

describe('one owner', () => {
  test('a second daemon is refused and told who the first one is', async () => {
    const first = await EngineProcess.start(bench, processes);
    await first.call('sync');
    const second = bench.engine();
    await expect(second.sync()).rejects.toMatchObject({ code: 'DB_OWNED', details: { pid: first.pid, socket: '/run/first.sock' } });
    expect((await second.status()).state).toBe('failing');
    await second.close();
    expect(readOwner(bench.metaPath)).toMatchObject({ pid: first.pid, socket: '/run/first.sock' });
    await insert();
    await first.call('sync');
    expect(await bench.replicaDigest(app)).toBe(await app.digest());
  });

  test('SIGKILL frees the lock at once', async () => {
    const first = await EngineProcess.start(bench, processes);
    await first.call('sync');
    await first.kill();
    const second = bench.engine();
    await second.sync();
    expect(readOwner(bench.metaPath)).toMatchObject({ pid: process.pid });
  });

  test('close frees the lock and takes the notice down', async () => {
    const engine = bench.engine();
    await engine.sync();
    await engine.close();
    expect(existsSync(`${bench.metaPath}/owner.json`)).toBe(false);
    const first = await EngineProcess.start(bench, processes);
    await first.call('sync');
  });

  test('a file of somebody else in our log stops the engine', async () => {
    const engine = bench.engine();
    await engine.sync();
    writeFileSync(`${bench.logDirectory}/0000000000000002-0000000000000002.ltx`, 'written by another program');
    await insert();
    await expect(engine.sync()).rejects.toMatchObject({ code: 'SECOND_WRITER' });
    expect(bench.files).toHaveLength(2);
    expect(statSync(bench.files[1] ?? '').size).toBe(26);
  });

  test('the monitor stops for good when there is a second writer, and lets the database go', async () => {
    const engine = bench.engine({ monitorIntervalMs: 10, pollIntervalMs: 50 });
    await engine.sync();
    writeFileSync(`${bench.logDirectory}/0000000000000002-0000000000000002.ltx`, 'written by another program');
    await insert();
    await expect.poll(async () => (await engine.status()).state).toBe('stopped');
    expect((await engine.status()).error).toMatchObject({ code: 'SECOND_WRITER' });
    await expect.poll(async () => (await app.checkpoint('TRUNCATE')).busy).toBe(0);
    await expect(engine.sync()).rejects.toMatchObject({ code: 'SECOND_WRITER' });
    await engine.close();
  });
});

describe('things that are moved away', () => {
  test('H5: a database file that is replaced is opened anew and written in full, with a later TXID', async () => {
    const engine = bench.engine();
    // The application does not wait for locks here, and opening needs one.
    await engine.sync();
    await insert();
    const { after } = await engine.sync();
    await app.run((context) => context.closeAll());
    const other = await app.run((context, path: string) => {
      const db = context.open('other', path);
      db.exec('PRAGMA journal_mode = WAL; CREATE TABLE elsewhere (x); INSERT INTO elsewhere VALUES (1)');
      context.close('other');
      return path;
    }, `${bench.path}.new`);
    renameSync(other, bench.path);
    for (const suffix of ['-wal', '-shm']) rmSync(`${bench.path}${suffix}`, { force: true });
    expect(await engine.sync()).toMatchObject({ after: after + 1n });
    expect(bench.fullReasons).toHaveLength(2);
    await app.open();
    expect(await bench.replicaDigest(app)).toBe(await app.digest());
  });

  test('H5: a database file that is written over in place is opened anew and written in full', async () => {
    const engine = bench.engine();
    // The application does not wait for locks here, and opening needs one.
    await engine.sync();
    await insert();
    const { after } = await engine.sync();
    await app.run((context, path: string) => {
      const db = context.open('other', `${path}.new`);
      db.exec('PRAGMA journal_mode = WAL; CREATE TABLE elsewhere (x); INSERT INTO elsewhere VALUES (1)');
      context.closeAll();
      const fs = process.getBuiltinModule('node:fs');
      fs.writeFileSync(path, fs.readFileSync(`${path}.new`));
    }, bench.path);
    expect(await engine.sync()).toMatchObject({ after: after + 1n });
    expect(bench.fullReasons).toEqual(['first file', 'the database file was overwritten in place']);
  });

  test('backfilling by the application is not taken for overwriting', async () => {
    const engine = bench.engine();
    await engine.sync();
    for (let i = 0; i < 5; i++) {
      await app.exec(`CREATE TABLE extra${i} (x)`);
      await app.checkpoint('PASSIVE');
      await engine.sync();
      if (i % 2 === 0) await engine.checkpoint('PASSIVE');
      await app.checkpoint('PASSIVE');
      await engine.sync();
    }
    expect(bench.fullReasons).toEqual(['first file']);
  });

  test('a database file that is removed is waited for', async () => {
    const engine = bench.engine({ monitorIntervalMs: 10, pollIntervalMs: 50 });
    // The application does not wait for locks here, and opening needs one.
    await engine.sync();
    await insert();
    await engine.sync();
    await app.run((context) => context.closeAll());
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${bench.path}${suffix}`, { force: true });
    await expect.poll(async () => (await engine.status()).state).toBe('waiting');
    await app.exec('PRAGMA journal_mode = WAL; CREATE TABLE again (x)');
    await expect.poll(async () => (await engine.status()).state).toBe('replicating');
    await engine.sync();
    expect(await bench.replicaDigest(app)).toBe(await app.digest());
    expect(bench.fullReasons).toHaveLength(2);
  });

  test('a metadata directory that is removed is made again, and TXIDs go on', async () => {
    const clock = {
      now: () => Date.now(),
      offset: 0,
      monotonic: () => performance.now() + clock.offset,
      sleep: systemClock.sleep,
    };
    const engine = bench.engine({}, { clock });
    // The application does not wait for locks here, and opening needs one.
    await engine.sync();
    await insert();
    const { after } = await engine.sync();
    rmSync(bench.metaPath, { recursive: true });
    mkdirSync(bench.metaPath);
    clock.offset = 10_000;
    await insert();
    expect(await engine.sync()).toMatchObject({ after: after + 1n });
    expect(readdirSync(bench.logDirectory)).toHaveLength(1);
    expect(readOwner(bench.metaPath)).toMatchObject({ pid: process.pid });
    expect(bench.fullReasons).toHaveLength(2);
  });
});

test('opening and closing a hundred times leaks no descriptor (row 2)', async () => {
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const once = async (): Promise<void> => {
    const engine = bench.engine();
    await engine.sync();
    await engine.close();
  };
  await once();
  await once();
  const before = descriptors();
  for (let i = 0; i < 100; i++) await once();
  await expect.poll(descriptors).toBeLessThanOrEqual(before);
});
