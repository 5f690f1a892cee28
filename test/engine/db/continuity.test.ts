import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readLTXFileHeader } from '../../../src/formats/ltx/file.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import type { App } from '../../support/app-process.ts';
import { Bench } from './bench.ts';

let bench: Bench;
let app: App;
beforeEach(async () => {
  ({ bench, app } = await Bench.make());
});
afterEach(() => bench.end());

const insert = (bytes = 3000): Promise<void> => app.exec(`INSERT INTO t (body) VALUES (randomblob(${bytes}))`);

/** An engine that has come and gone, leaving one file. */
async function captureOnce(): Promise<void> {
  const engine = bench.engine();
  await engine.sync();
  await engine.close();
}

/** Leaves a log of two or more files, the last of them damaged; returns its TXID. */
async function captureAndDamage(): Promise<bigint> {
  const engine = bench.engine();
  await engine.sync();
  await insert();
  const { after } = await engine.sync();
  await engine.close();
  await damage(bench.files.at(-1) ?? '');
  return after;
}

async function expectEqual(): Promise<void> {
  expect(await bench.replicaDigest(app)).toBe(await app.digest());
}

describe('while the engine runs', () => {
  for (const mode of ['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE']) {
    test(`a ${mode} checkpoint by the application loses nothing and costs no full file`, async () => {
      await app.exec('PRAGMA busy_timeout = 10');
      const engine = bench.engine();
      await engine.sync();
      for (let i = 0; i < 4; i++) {
        await insert();
        await app.checkpoint(mode);
        await insert();
        if (i % 2 === 0) await engine.sync();
        await app.checkpoint(mode);
      }
      await engine.sync();
      await expectEqual();
      expect(bench.fullReasons).toEqual(['first file']);
    });

    test(`a ${mode} checkpoint by the application right after one of ours is harmless (row 19b)`, async () => {
      await app.exec('PRAGMA busy_timeout = 10');
      const engine = bench.engine();
      for (let i = 0; i < 4; i++) {
        await insert();
        await engine.checkpoint('PASSIVE');
        await app.checkpoint(mode);
        await insert();
        await app.checkpoint(mode);
        await insert();
        await engine.sync();
        await expectEqual();
      }
      expect(bench.fullReasons).toEqual(['first file']);
    });
  }

  test('fifty rounds of write, checkpoint and sync write no full file but the first (rows 13, 15)', async () => {
    const engine = bench.engine();
    for (let i = 0; i < 50; i++) {
      await insert(500);
      expect(await engine.checkpoint('PASSIVE')).toMatchObject({ complete: true });
      await engine.sync();
    }
    expect(bench.fullReasons).toEqual(['first file']);
    await expectEqual();
    // A checkpoint costs one small file of its own.
    expect(bench.files.length).toBeLessThanOrEqual(102);
  });

  test('commits after a restart in place are captured although the WAL file keeps its size (row 14)', async () => {
    const engine = bench.engine();
    await insert(200_000);
    await engine.checkpoint('PASSIVE');
    await engine.sync();
    const size = await walSize();
    for (let i = 0; i < 5; i++) {
      await insert(100);
      const { before, after } = await engine.sync();
      expect(after).toBe(before + 1n);
      await expectEqual();
    }
    expect(await walSize()).toBe(size);
    expect(bench.fullReasons).toEqual(['first file']);
  });

  test('an emergency checkpoint empties the WAL file without a full file', async () => {
    const engine = bench.engine();
    await insert(300_000);
    await engine.sync();
    expect(await engine.checkpoint('TRUNCATE')).toMatchObject({ complete: true });
    expect(await walSize()).toBeLessThan(20_000);
    await insert();
    await engine.sync();
    await expectEqual();
    expect(bench.fullReasons).toEqual(['first file']);
  });

  test('a checkpoint before anything was captured writes the first file before it keeps writers out', async () => {
    const engine = bench.engine({}, { floor: undefined });
    await expect(engine.sync()).rejects.toMatchObject({ code: 'DB_NOT_READY' });
    const raised = engine.raise(toTXID(0));
    expect(await engine.checkpoint('PASSIVE')).toMatchObject({ complete: true });
    await raised;
    await engine.sync();
    await expectEqual();
    await engine.raise(toTXID(30));
    expect(await engine.checkpoint('TRUNCATE')).toMatchObject({ complete: true });
    await engine.sync();
    expect(bench.fullReasons).toEqual(['first file', 'a replica is further than the local log']);
  });

  test('an unchanged database gives no further file', async () => {
    const engine = bench.engine();
    await engine.sync();
    const files = bench.files;
    for (let i = 0; i < 5; i++) expect(await engine.sync()).toEqual({ before: 1n, after: 1n });
    expect(bench.files).toEqual(files);
  });

  test('H4: a long reader makes checkpoints incomplete, not wrong', async () => {
    const engine = bench.engine();
    await engine.sync();
    await app.exec('BEGIN', 'reader');
    await app.all('SELECT count(*) FROM t', 'reader');
    await insert();
    expect(await engine.checkpoint('PASSIVE')).toMatchObject({ complete: false });
    await insert();
    expect(await engine.checkpoint('TRUNCATE')).toMatchObject({ complete: false });
    await engine.sync();
    await expectEqual();
    await app.exec('COMMIT', 'reader');
    expect(await engine.checkpoint('PASSIVE')).toMatchObject({ complete: true });
    await insert();
    await engine.sync();
    await expectEqual();
    expect(bench.fullReasons).toEqual(['first file']);
  });

  test('a reader that leaves while the application holds a write lock only delays', async () => {
    const engine = bench.engine({ busyTimeoutMs: 60 });
    await engine.sync();
    await app.exec('BEGIN IMMEDIATE; INSERT INTO t (body) VALUES (randomblob(100))');
    expect(await engine.checkpoint('PASSIVE')).toMatchObject({ complete: false });
    await app.exec('COMMIT');
    expect(await engine.checkpoint('PASSIVE')).toMatchObject({ complete: true });
    await engine.sync();
    await expectEqual();
  });

  test('VACUUM, incremental vacuum, growth and shrinking are captured (row 12)', async () => {
    const engine = bench.engine();
    for (let i = 0; i < 30; i++) await insert(9000);
    await engine.sync();
    await app.exec('DELETE FROM t WHERE id % 3 <> 0');
    await engine.sync();
    await app.exec('PRAGMA incremental_vacuum(20)');
    await engine.sync();
    await expectEqual();
    await app.exec('DELETE FROM t WHERE id % 2 = 0; VACUUM');
    await engine.sync();
    await expectEqual();
    for (let i = 0; i < 30; i++) await insert(9000);
    await app.exec('VACUUM');
    await engine.sync();
    await expectEqual();
    expect(bench.fullReasons).toEqual(['first file']);
  });

  test('shrinking and growing again inside one pass leaves no page of the old size', async () => {
    const engine = bench.engine();
    for (let i = 0; i < 40; i++) await insert(5000);
    await engine.sync();
    await app.exec('DELETE FROM t; VACUUM');
    for (let i = 0; i < 25; i++) await insert(5000);
    await engine.sync();
    await expectEqual();
  });
});

describe('over a restart of the engine', () => {
  test('an untouched WAL is continued with an increment', async () => {
    await insert();
    await captureOnce();
    await insert();
    const second = bench.engine();
    expect(await second.sync()).toMatchObject({ after: 2n });
    await expectEqual();
    expect(bench.fullReasons).toEqual(['first file']);
  });

  test('nothing new after a restart gives no file', async () => {
    await insert();
    await captureOnce();
    const second = bench.engine();
    expect(await second.sync()).toEqual({ before: 1n, after: 1n });
  });

  test('H1: commits, a PASSIVE checkpoint and a shorter restarted WAL while down lose nothing', async () => {
    const first = bench.engine();
    for (let i = 0; i < 20; i++) await insert();
    await first.close();
    await insert(1234);
    await insert(4321);
    expect(await app.checkpoint('PASSIVE')).toMatchObject({ busy: 0 });
    // Restarts the WAL in place: the last frame that was captured is still there, behind the new ones.
    await app.exec("UPDATE t SET body = 'x' WHERE id = 3");
    const second = bench.engine();
    await second.sync();
    expect(bench.fullReasons).toEqual(['first file', 'WAL restarted while not running']);
    await expectEqual();
  });

  for (const mode of ['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE']) {
    test(`a ${mode} checkpoint while down loses nothing (row 9)`, async () => {
      const first = bench.engine();
      await insert();
      await first.close();
      await insert();
      await app.checkpoint(mode);
      const second = bench.engine();
      await second.sync();
      await expectEqual();
      await second.close();
      await app.checkpoint(mode);
      await insert();
      await insert();
      await app.checkpoint(mode);
      await insert();
      const third = bench.engine();
      await third.sync();
      await expectEqual();
    });
  }

  test('an application that has left and removed the WAL meanwhile costs a full file', async () => {
    const first = bench.engine();
    await insert();
    await first.close();
    await insert();
    await app.close();
    const second = bench.engine();
    await second.sync();
    expect(bench.fullReasons).toHaveLength(2);
    await app.open();
    await expectEqual();
  });

  test('H10: a page size changed while down gives a full file that says so', async () => {
    for (let i = 0; i < 10; i++) await insert();
    await captureOnce();
    await app.exec('PRAGMA journal_mode = DELETE; PRAGMA page_size = 1024; VACUUM; PRAGMA journal_mode = WAL');
    const second = bench.engine();
    await second.sync();
    expect(bench.fullReasons).toEqual(['first file', 'page size changed from 4096 to 1024']);
    expect(readLTXFileHeader(bench.files[1] ?? '').pageSize).toBe(1024);
  });

  test('a WAL that lost its tail, as after a power failure, gives a full file', async () => {
    const first = bench.engine();
    await insert();
    await first.sync();
    await insert();
    await first.sync();
    await first.close();
    await app.kill();
    const other = await bench.app();
    // Nobody has the database open: cut the last frames off, as a file system without fsync may.
    await other.run((_context, path: string) => {
      const fs = process.getBuiltinModule('node:fs');
      fs.truncateSync(`${path}-wal`, fs.statSync(`${path}-wal`).size - 4120 * 2);
      fs.rmSync(`${path}-shm`, { force: true });
    }, bench.path);
    const second = bench.engine();
    await second.sync();
    expect(bench.fullReasons).toHaveLength(2);
    expect(await bench.replicaDigest(other)).toBe(await other.digest());
  });

  test('a damaged newest local file is put aside and its TXID written anew, in full, when no replica has it (row 41)', async () => {
    const newest = await captureAndDamage();
    const second = bench.engine({}, { floor: toTXID(newest - 1n) });
    expect(await second.sync()).toMatchObject({ after: newest });
    expect(bench.fullReasons).toEqual(['first file', 'the newest local file was damaged']);
    await expectEqual();
  });

  test('a damaged newest local file that a replica may have is left behind, never written again', async () => {
    const newest = await captureAndDamage();
    const second = bench.engine({}, { floor: toTXID(newest) });
    expect(await second.sync()).toMatchObject({ after: newest + 1n });
    expect(bench.fullReasons).toHaveLength(2);
  });

  test('a damaged newest local file is not touched before the replicas were heard', async () => {
    await captureAndDamage();
    const files = bench.files;
    const second = bench.engine({}, { floor: undefined });
    await expect(second.sync()).rejects.toMatchObject({ disposition: 'reset' });
    expect(bench.files).toEqual(files);
    await second.raise(toTXID(0));
    await second.sync();
    await expectEqual();
  });
});

describe('replicas that are further', () => {
  test('a new machine continues behind the replica with a full file', async () => {
    const engine = bench.engine({}, { floor: toTXID(41) });
    expect(await engine.sync()).toMatchObject({ after: 42n });
    await insert();
    expect(await engine.sync()).toMatchObject({ after: 43n });
    expect(bench.fullReasons).toEqual(['first file']);
  });

  test('H2: a local log behind the replica jumps beyond it with a full file', async () => {
    await insert();
    await captureOnce();
    const second = bench.engine({}, { floor: toTXID(9) });
    expect(await second.sync()).toMatchObject({ after: 10n });
    expect(bench.fullReasons).toEqual(['first file', 'a replica is further than the local log']);
  });

  test('raise makes the next file a full one even if nothing was written', async () => {
    const engine = bench.engine();
    await engine.sync();
    await engine.raise(toTXID(1));
    expect(await engine.sync()).toEqual({ before: 1n, after: 1n });
    await engine.raise(toTXID(7));
    expect(await engine.sync()).toMatchObject({ after: 8n });
    expect(bench.fullReasons).toHaveLength(2);
    await insert();
    expect(await engine.sync()).toMatchObject({ after: 9n });
    expect(bench.fullReasons).toHaveLength(2);
  });

  test('without a local log nothing is written before the replicas were heard', async () => {
    const engine = bench.engine({}, { floor: undefined });
    await expect(engine.sync()).rejects.toMatchObject({ code: 'DB_NOT_READY' });
    expect((await engine.status()).state).toBe('starting');
    await engine.raise(toTXID(3));
    expect(await engine.sync()).toMatchObject({ after: 4n });
  });

  test('with a local log work goes on before the replicas were heard', async () => {
    await insert();
    await captureOnce();
    await insert();
    const second = bench.engine({}, { floor: undefined });
    expect(await second.sync()).toMatchObject({ after: 2n });
    expect(bench.fullReasons).toEqual(['first file']);
  });
});

const walSize = (): Promise<number> =>
  app.run((_context, path: string) => process.getBuiltinModule('node:fs').statSync(`${path}-wal`).size, bench.path);

const damage = (path: string): Promise<void> =>
  app.run((_context, file: string) => {
    const fs = process.getBuiltinModule('node:fs');
    const bytes = fs.readFileSync(file);
    bytes[150] = (bytes[150] ?? 0) ^ 0xff;
    fs.writeFileSync(file, bytes);
  }, path);
