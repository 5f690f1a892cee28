import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { App } from '../../support/app-process.ts';
import { Rebuild } from '../../support/rebuild.ts';
import { Bench } from './bench.ts';

let bench: Bench | undefined;
afterEach(async () => {
  await bench?.end();
  bench = undefined;
});

const SETUP = `
  CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB);
  CREATE TABLE total (rows INTEGER, bytes INTEGER);
  INSERT INTO total VALUES (0, 0)`;

/** Commits without pause in the background; every committed state is consistent in itself: `total` counts what is in `t`. */
async function startWriting(app: App, name: string, pauseMs: number): Promise<void> {
  await app.run(
    (context, [connection, pause]: readonly [string, number]) => {
      const db = context.open(connection);
      const shared = globalThis as unknown as { stopped: boolean; commits: number; worstMs: number };
      shared.stopped = false;
      shared.commits ??= 0;
      shared.worstMs ??= 0;
      const insert = db.prepare('INSERT INTO t (body) VALUES (randomblob(?))');
      const erase = db.prepare('DELETE FROM t WHERE id % 11 = ? OR id < (SELECT max(id) FROM t) - 300');
      const count = db.prepare('UPDATE total SET rows = (SELECT count(*) FROM t), bytes = (SELECT coalesce(sum(length(body)), 0) FROM t)');
      const transaction = db.transaction(() => {
        for (let i = 0; i < 3; i++) insert.run(Math.floor(Math.random() * 3000));
        if (shared.commits % 5 === 0) erase.run(shared.commits % 11);
        count.run();
      });
      const step = () => {
        if (shared.stopped) return;
        const start = performance.now();
        transaction.immediate();
        shared.worstMs = Math.max(shared.worstMs, performance.now() - start);
        shared.commits++;
        if (pause > 0) setTimeout(step, pause);
        else setImmediate(step);
      };
      step();
    },
    [name, pauseMs] as const,
  );
}

const stopWriting = (app: App): Promise<{ commits: number; worstMs: number }> =>
  app.run(() => {
    const shared = globalThis as unknown as { stopped: boolean; commits: number; worstMs: number };
    shared.stopped = true;
    return { commits: shared.commits, worstMs: shared.worstMs };
  });

async function expectConsistent(bench: Bench, app: App, path: string): Promise<void> {
  const copy = join(bench.directory, 'check.db');
  new Rebuild().apply(path).writeTo(copy);
  await expectFileConsistent(app, copy, path);
}

async function expectFileConsistent(app: App, copy: string, name: string): Promise<void> {
  const answer = await app.run((context, path: string) => {
    const db = context.open('check', path);
    const row = db
      .prepare(
        'SELECT integrity_check AS ok, (SELECT count(*) FROM t) = rows AND (SELECT coalesce(sum(length(body)), 0) FROM t) = bytes AS same FROM pragma_integrity_check, total',
      )
      .get();
    context.close('check');
    return row;
  }, copy);
  expect(answer, name).toEqual({ ok: 'ok', same: 1 });
}

test('H12: every file of a busy database is a committed state, through checkpoints, snapshots and restarts of the WAL (row 34)', async () => {
  const made = await Bench.make({ setup: SETUP });
  bench = made.bench;
  const { app } = made;
  await app.exec('PRAGMA synchronous = NORMAL');
  await startWriting(app, 'main', 1);
  const engine = bench.engine({
    monitorIntervalMs: 15,
    pollIntervalMs: 200,
    minCheckpointPages: 200,
    checkpointIntervalMs: 1000,
  });
  const snapshots: string[] = [];
  const complete = () => made.bench.events.filter((event) => event.type === 'checkpoint' && event.complete).length;
  for (let i = 0; i < 8 || complete() <= 5; i++) {
    await sleep(400);
    if (i === 5) await engine.checkpoint('TRUNCATE');
    const { path } = await engine.snapshot(bench.directory);
    snapshots.push(path);
    const sums = await engine.pageSums(bench.directory);
    expect(sums.txid).toBeGreaterThan(0n);
  }
  const { commits, worstMs } = await stopWriting(app);
  await engine.sync();
  const checkpoints = bench.events.filter((event) => event.type === 'checkpoint');
  const { worstWriteLockMs } = await engine.status();
  console.log({
    commits,
    worstMs,
    files: bench.files.length,
    full: bench.fullReasons,
    worstWriteLockMs,
    checkpoints: checkpoints.length,
    complete: complete(),
  });
  expect(await bench.replicaDigest(app)).toBe(await app.digest());
  expect(bench.fullReasons).toEqual(['first file']);
  expect(complete()).toBeGreaterThan(5);
  for (const path of snapshots) await expectConsistent(bench, app, path);
  const rebuild = new Rebuild();
  const copy = join(bench.directory, 'history.db');
  for (const [i, path] of bench.files.entries()) {
    rebuild.apply(path);
    if (i % 5 !== 0) continue;
    rebuild.writeTo(copy);
    await expectFileConsistent(app, copy, path);
  }
}, 240_000);

test('two writers, a process that checkpoints in every mode, and readers that come and go: nothing is lost', async () => {
  const seconds = Number(process.env.STORM_SECONDS ?? 5);
  const made = await Bench.make({ setup: SETUP });
  bench = made.bench;
  const { app } = made;
  const [second, meddler] = [await bench.app(), await bench.app()];
  await startWriting(app, 'main', 1);
  await startWriting(second, 'main', 3);
  await meddler.run((context) => {
    const modes = ['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'];
    const reader = context.open('reader', undefined, { readonly: true });
    const db = context.open('checkpoints', undefined, { timeout: 5 });
    let turn = 0;
    setInterval(() => {
      turn++;
      db.pragma(`wal_checkpoint(${modes[turn % 4]})`);
      if (turn % 7 === 0) reader.exec('BEGIN; SELECT count(*) FROM t');
      if (turn % 7 === 3 && reader.inTransaction) reader.exec('COMMIT');
    }, 11);
  });
  const engine = bench.engine({
    monitorIntervalMs: 7,
    pollIntervalMs: 50,
    minCheckpointPages: 30,
    checkpointIntervalMs: 100,
    busyTimeoutMs: 200,
  });
  const deadline = performance.now() + seconds * 1000;
  for (let i = 0; performance.now() < deadline; i++) {
    await sleep(150);
    if (i % 4 === 1) await engine.checkpoint('TRUNCATE');
    if (i % 4 === 3) await expectConsistent(bench, app, (await engine.snapshot(bench.directory)).path);
  }
  await stopWriting(app);
  await stopWriting(second);
  await engine.sync();
  await meddler.kill();
  await engine.sync();
  const checkpoints = bench.events.filter((event) => event.type === 'checkpoint');
  console.log({
    files: bench.files.length,
    full: bench.fullReasons,
    checkpoints: checkpoints.length,
    complete: checkpoints.filter((event) => event.complete).length,
  });
  expect(await bench.replicaDigest(app)).toBe(await app.digest());
  expect(bench.fullReasons).toEqual(['first file']);
  const rebuild = new Rebuild();
  const copy = join(bench.directory, 'history.db');
  for (const [i, path] of bench.files.entries()) {
    rebuild.apply(path);
    if (i % 5 !== 0) continue;
    rebuild.writeTo(copy);
    await expectFileConsistent(app, copy, path);
  }
}, 240_000);
