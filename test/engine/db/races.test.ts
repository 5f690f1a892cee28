/** Two things at the same time: commits at the worst moment, a copy and a checkpoint, a checkpoint and the end. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { LiveDatabase } from '../../../src/engine/db/live-database.ts';
import { nodePublishFS, type PublishFS } from '../../../src/engine/db/publish-fs.ts';
import { Connection } from '../../../src/sqlite/connection.ts';
import type { App } from '../../support/app-process.ts';
import { Rebuild, rebuildAll } from '../../support/rebuild.ts';
import { Bench } from './bench.ts';

let bench: Bench;
let app: App;
beforeEach(async () => {
  ({ bench, app } = await Bench.make());
});
afterEach(async () => {
  vi.restoreAllMocks();
  await bench.end();
});

const insert = (bytes = 3000): Promise<void> => app.exec(`INSERT INTO t (body) VALUES (randomblob(${bytes}))`);
const fill = (rows: number): Promise<void> =>
  app.exec(
    `INSERT INTO t (body) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows}) SELECT randomblob(1000) FROM n`,
  );

async function expectEqual(): Promise<void> {
  expect(await bench.replicaDigest(app)).toBe(await app.digest());
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const COMMIT = `
  import Database from 'better-sqlite3';
  const db = new Database(process.argv[1], { timeout: 0 });
  try { db.exec("INSERT INTO t (body) VALUES (randomblob(700))"); console.log('committed'); }
  catch (error) { console.log(error.code); }
  db.close();`;

/** One commit by a process of its own while this one stands still; false when the write lock was taken. */
function commitNow(): boolean {
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', COMMIT, bench.path], { cwd: ROOT, encoding: 'utf8' }).trim();
  if (said !== 'committed' && !said.startsWith('SQLITE_BUSY')) throw new Error(said);
  return said === 'committed';
}

/** Has a commit happen right before each statement of ours that matches, `most` times; counts those that were let through. */
function commitBefore(statement: RegExp, most: number): { count: number; refused: number } {
  const injected = { count: 0, refused: 0 };
  const { row, exec } = Connection.prototype;
  let inside = false;
  const before = (sql: string): void => {
    if (inside || !statement.test(sql) || injected.count + injected.refused >= most) return;
    inside = true;
    if (commitNow()) injected.count++;
    else injected.refused++;
    inside = false;
  };
  vi.spyOn(Connection.prototype, 'row').mockImplementation(function (this: Connection, sql, ...values) {
    before(sql);
    return row.call(this, sql, ...values);
  });
  vi.spyOn(Connection.prototype, 'exec').mockImplementation(function (this: Connection, sql) {
    before(sql);
    exec.call(this, sql);
  });
  return injected;
}

describe('a commit right before', () => {
  for (const [what, statement] of [
    ['each PRAGMA of our checkpoint', /wal_checkpoint\((PASSIVE|TRUNCATE)\)/],
    ['the TRUNCATE', /wal_checkpoint\(TRUNCATE\)/],
    ['our own small commit', /INTO _litestream_seq/],
    ['each transaction of ours', /^BEGIN/],
  ] as const) {
    test(`${what} is not lost and costs no full file (row 26)`, { timeout: 240_000 }, async () => {
      await app.exec('PRAGMA wal_autocheckpoint = 0');
      const engine = bench.engine();
      await engine.sync();
      for (const mode of ['PASSIVE', 'TRUNCATE'] as const) {
        await fill(100);
        await insert();
        const injected = commitBefore(statement, 4);
        await engine.checkpoint(mode);
        vi.restoreAllMocks();
        if (mode === 'TRUNCATE') expect(injected.count, `${injected.refused} were refused`).toBeGreaterThan(0);
        // A checkpoint of the application now would destroy what was not captured, if anything let it.
        await app.exec('PRAGMA busy_timeout = 0', 'meddler');
        await app.checkpoint('TRUNCATE', 'meddler');
        await insert();
        await app.checkpoint('PASSIVE', 'meddler');
        await engine.sync();
        await expectEqual();
      }
      expect(bench.fullReasons).toEqual(['first file']);
    });
  }
});

describe('while a snapshot is being copied from a slow disk', () => {
  test('a checkpoint is skipped at once, not waited for, and works afterwards (row 24)', async () => {
    await fill(8000);
    const pause = new Int32Array(new SharedArrayBuffer(4));
    let copying = false;
    const fs: PublishFS = {
      ...nodePublishFS,
      write: (fd, path, bytes) => {
        if (path.startsWith(`${bench.directory}/0`)) {
          copying = true;
          Atomics.wait(pause, 0, 0, 25);
        }
        nodePublishFS.write(fd, path, bytes);
      },
    };
    const engine = bench.engine({}, { fs });
    await engine.sync();
    let done = false;
    const running = engine.snapshot(bench.directory).finally(() => {
      done = true;
    });
    while (!copying) await new Promise(setImmediate);
    const { walSize } = await engine.status();
    for (const mode of ['PASSIVE', 'TRUNCATE'] as const) {
      expect(await engine.checkpoint(mode)).toEqual({ complete: false, writeLockMs: 0 });
      expect(done).toBe(false);
    }
    expect(bench.events.filter((event) => event.type === 'checkpoint')).toEqual([]);
    expect((await engine.status()).walSize).toBe(walSize);
    const { path } = await running;
    expect(new Rebuild().apply(path).image().equals(rebuildAll(bench.logDirectory).image())).toBe(true);
    expect(await engine.checkpoint('TRUNCATE')).toMatchObject({ complete: true });
    await insert();
    await engine.sync();
    await expectEqual();
  });
});

describe('a snapshot', () => {
  const stateOf = async (path: string): Promise<string> => {
    const copy = join(bench.directory, `copy-${Math.random().toString(36).slice(2)}.db`);
    new Rebuild().apply(path).writeTo(copy);
    return app.digestFile(copy);
  };

  test('ends before a transaction whose frames lie across its end (row 33)', async () => {
    const engine = bench.engine();
    await insert();
    await engine.sync();
    for (let i = 0; i < 3; i++) {
      const before = await app.digest();
      // More pages than the cache holds: its frames are in the WAL long before it is committed.
      await app.exec(
        'PRAGMA cache_size = 1; BEGIN; INSERT INTO t (body) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT randomblob(4000) FROM n',
        'writer',
      );
      expect(await stateOf((await engine.snapshot(bench.directory)).path)).toBe(before);
      await app.exec(i === 1 ? 'ROLLBACK' : 'COMMIT', 'writer');
      expect(await stateOf((await engine.snapshot(bench.directory)).path)).toBe(await app.digest());
    }
    await engine.sync();
    await expectEqual();
    expect(bench.fullReasons).toEqual(['first file']);
  });

  test('is not changed by a commit right before any of our looks at the WAL (row 33)', async () => {
    const engine = bench.engine();
    await fill(100);
    await engine.sync();
    for (let i = 0; i < 2; i++) {
      await insert();
      const injected = commitBefore(/wal_checkpoint\(NOOP\)/, 6);
      const { path, maxTXID } = await engine.snapshot(bench.directory);
      vi.restoreAllMocks();
      expect(injected.count).toBeGreaterThanOrEqual(2);
      const rebuilt = new Rebuild();
      for (const file of bench.files.slice(0, Number(maxTXID))) rebuilt.apply(file);
      expect(new Rebuild().apply(path).image().equals(rebuilt.image())).toBe(true);
    }
    await engine.sync();
    await expectEqual();
    expect(bench.fullReasons).toEqual(['first file']);
  });

  for (const mode of ['RESTART', 'TRUNCATE']) {
    test(`is made again and again after a ${mode} that nobody has written behind (row 33)`, async () => {
      await app.exec('PRAGMA busy_timeout = 10', 'meddler');
      const engine = bench.engine();
      await fill(200);
      await engine.sync();
      for (let i = 0; i < 3; i++) {
        await engine.checkpoint(i === 1 ? 'TRUNCATE' : 'PASSIVE');
        await app.checkpoint(mode, 'meddler');
        for (let turn = 0; turn < 2; turn++) {
          expect(await stateOf((await engine.snapshot(bench.directory)).path)).toBe(await app.digest());
        }
        await insert();
      }
      await engine.close();
      // And with the engine away: the restart has left no frame at all.
      await app.checkpoint(mode, 'meddler');
      const second = bench.engine();
      expect(await stateOf((await second.snapshot(bench.directory)).path)).toBe(await app.digest());
      expect(await stateOf((await second.snapshot(bench.directory)).path)).toBe(await app.digest());
    });
  }
});

test('sync requests of many callers at once give one history: no error, no number twice (row 36)', async () => {
  const engine = bench.engine({ maxSyncWALBytes: 20_000, monitorIntervalMs: 1, pollIntervalMs: 1 });
  for (let round = 0; round < 10; round++) {
    const syncs = Array.from({ length: 20 }, () => engine.sync());
    const commits = Array.from({ length: 10 }, () => insert());
    const results = await Promise.all(syncs);
    for (const { before, after } of results) expect(after).toBeGreaterThanOrEqual(before);
    await Promise.all(commits);
  }
  await engine.sync();
  const txids = bench.synced.map(({ txid }) => txid);
  expect(txids).toEqual(txids.map((_txid, i) => BigInt(i + 1)));
  expect(bench.files).toHaveLength(txids.length);
  expect(bench.fullReasons).toEqual(['first file']);
  await expectEqual();
});

/** Descriptors of this process below the directory of the test. */
function openBelow(directory: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(directory) ? [target] : [];
    } catch {
      return []; // the one of the listing itself
    }
  });
}

describe('the end', () => {
  test('may meet a checkpoint at any moment: neither hangs, everything is released once (row 7)', { timeout: 240_000 }, async () => {
    await app.exec('PRAGMA wal_autocheckpoint = 0');
    await app.exec('PRAGMA busy_timeout = 0', 'meddler');
    for (let round = 0; round < 24; round++) {
      const engine = bench.engine();
      await engine.sync();
      for (let i = 0; i < 10; i++) await insert();
      const answers = [engine.checkpoint(round % 2 === 0 ? 'PASSIVE' : 'TRUNCATE')];
      if (round % 3 === 0) answers.push(engine.checkpoint('PASSIVE'));
      for (let turn = 0; turn < round % 8; turn++) await new Promise(setImmediate);
      const closing = [engine.close(), engine.close()];
      const late = engine.checkpoint('PASSIVE');
      const ended = Promise.allSettled([...answers, late]);
      await Promise.race([
        Promise.all(closing),
        sleep(60_000, undefined, { ref: false }).then(() => Promise.reject(new Error('close hangs'))),
      ]);
      for (const answer of await ended) {
        if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'ENGINE_STOPPED' });
      }
      await expect(engine.checkpoint('PASSIVE')).rejects.toMatchObject({ code: 'ENGINE_STOPPED' });
      expect(openBelow(bench.directory)).toEqual([]);
      await expectEqual();
      // Nothing of ours is in the way any more.
      expect(await app.checkpoint('TRUNCATE', 'meddler')).toMatchObject({ busy: 0 });
    }
  });

  test('of what was opened may be told twice, and in the middle of a checkpoint (row 7)', async () => {
    const db = LiveDatabase.open(bench.settings(), { clock: systemClock });
    expect(await db.barrier.raise(1000)).toBe(true);
    db.readLock.renew();
    expect(db.close()).toEqual([]);
    expect(db.close()).toEqual([]);
    db.readLock.release();
    expect(db.barrier.lower()).toBe(0);
    await app.exec('PRAGMA busy_timeout = 0');
    await insert();
    expect(await app.checkpoint('TRUNCATE')).toMatchObject({ busy: 0 });
  });
});
