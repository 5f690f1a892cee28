import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { App } from '../../support/app-process.ts';
import { Bench } from './bench.ts';

let bench: Bench | undefined;
afterEach(async () => {
  await bench?.end();
  bench = undefined;
});

const insert = (app: App, bytes = 100): Promise<void> => app.exec(`INSERT INTO t (body) VALUES (randomblob(${bytes}))`);

describe('the monitor', () => {
  test('captures a commit by its file event, long before the polling interval', async () => {
    const made = await Bench.make();
    bench = made.bench;
    const engine = bench.engine({ monitorIntervalMs: 10 });
    await engine.sync();
    await sleep(50);
    const lags: number[] = [];
    for (let i = 0; i < 10; i++) {
      const files = made.bench.synced.length;
      const start = performance.now();
      await insert(made.app);
      await expect.poll(() => made.bench.synced.length, { interval: 1 }).toBe(files + 1);
      lags.push(performance.now() - start);
      await sleep(30);
    }
    lags.sort((a, b) => a - b);
    console.log(`lag p50 ${lags[5]?.toFixed(1)} ms, worst ${lags[9]?.toFixed(1)} ms`);
    expect(lags[5]).toBeLessThan(10_000);
  });

  test('captures a commit that becomes visible long after its file event', async () => {
    const made = await Bench.make();
    bench = made.bench;
    const { app } = made;
    const engine = bench.engine({ monitorIntervalMs: 1 });
    await engine.sync();
    await sleep(50);
    // A transaction that spills its pages into the WAL and commits after a while, with little to write then.
    await app.exec(
      'PRAGMA cache_size = 1; BEGIN; INSERT INTO t (body) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT randomblob(4000) FROM n',
    );
    await sleep(400);
    expect(made.bench.synced).toHaveLength(1);
    await app.exec('COMMIT');
    await expect.poll(() => made.bench.synced.length).toBe(2);
  });

  test('keeps the distance between two files, whatever the number of commits', async () => {
    const made = await Bench.make();
    bench = made.bench;
    bench.engine({ monitorIntervalMs: 200, pollIntervalMs: 100 });
    await expect.poll(() => made.bench.synced.length).toBe(1);
    const start = performance.now();
    const passed = () => performance.now() - start;
    while (passed() < 1300 || (made.bench.synced.length < 3 && passed() < 60_000)) await insert(made.app);
    const elapsed = passed();
    expect(made.bench.synced.length).toBeLessThanOrEqual(Math.ceil(elapsed / 200) + 1);
    expect(made.bench.synced.length).toBeGreaterThanOrEqual(3);
  });

  test('leaves an idle database alone: no file, no checkpoint', async () => {
    const made = await Bench.make();
    bench = made.bench;
    await insert(made.app, 100_000);
    const engine = bench.engine({ monitorIntervalMs: 5, pollIntervalMs: 10, checkpointIntervalMs: 20 });
    await engine.sync();
    await sleep(700);
    expect(made.bench.synced).toHaveLength(1);
    expect(made.bench.events.filter((event) => event.type === 'checkpoint')).toHaveLength(0);
    // After something was written there is one checkpoint, with one small file of its own, and then silence again.
    await insert(made.app);
    await expect.poll(() => made.bench.synced.length).toBe(3);
    await sleep(500);
    expect(made.bench.events.filter((event) => event.type === 'checkpoint')).toHaveLength(1);
    expect(made.bench.synced).toHaveLength(3);
    const { pendingWALBytes, pendingSince } = await engine.status();
    expect({ pendingWALBytes, pendingSince }).toEqual({ pendingWALBytes: 0, pendingSince: undefined });
  });

  test('keeps the WAL small under a steady load (row 28)', async () => {
    const made = await Bench.make();
    bench = made.bench;
    await made.app.exec('PRAGMA wal_autocheckpoint = 0');
    const engine = bench.engine({ monitorIntervalMs: 10, pollIntervalMs: 50, minCheckpointPages: 100 });
    await engine.sync();
    for (let i = 0; i < 150; i++) await insert(made.app, 20_000);
    await expect.poll(async () => (await engine.status()).walSize).toBeLessThan(150 * 4120);
    expect(made.bench.fullReasons).toEqual(['first file']);
  });

  test('does not flood the log while a long reader makes checkpoints vain (row 19)', async () => {
    const made = await Bench.make();
    bench = made.bench;
    const { app } = made;
    const engine = bench.engine({ monitorIntervalMs: 5, pollIntervalMs: 10, minCheckpointPages: 10, checkpointIntervalMs: 20 });
    await engine.sync();
    await app.exec('BEGIN', 'reader');
    await app.all('SELECT count(*) FROM t', 'reader');
    const start = performance.now();
    await insert(app, 200_000);
    const checkpoints = () => made.bench.events.filter((event) => event.type === 'checkpoint').length;
    await expect.poll(checkpoints).toBeGreaterThanOrEqual(1);
    await sleep(1500);
    const attempts = checkpoints();
    // Pauses of one second, two, four and so on.
    expect(attempts).toBeLessThanOrEqual(2 + Math.log2(1 + (performance.now() - start) / 1000));
    expect(made.bench.synced.length).toBeLessThanOrEqual(2 + attempts);
  });

  test('waits for a database whose directory does not exist yet', async () => {
    bench = Bench.bare();
    const path = `${bench.directory}/later/deep/app.db`;
    const engine = bench.engine({ path, metaPath: `${bench.directory}/later/deep/.app.db-litestream`, monitorIntervalMs: 5 });
    await expect.poll(async () => (await engine.status()).state).toBe('waiting');
    await expect(engine.sync()).rejects.toMatchObject({ code: 'DB_NOT_READY' });
    mkdirSync(dirname(path), { recursive: true });
    const app = await bench.app();
    await app.run((context, file: string) => {
      context.open('main', file).exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x)');
    }, path);
    await expect.poll(async () => (await engine.status()).state).toBe('replicating');
  });

  test('keeps the distance between two files, unless the WAL grows by more than 16 MiB meanwhile', async () => {
    const made = await Bench.make();
    bench = made.bench;
    bench.engine({ monitorIntervalMs: 3_600_000 });
    await expect.poll(() => made.bench.synced.length).toBe(1);
    await insert(made.app, 1_000_000);
    await sleep(300);
    expect(made.bench.synced).toHaveLength(1);
    for (let i = 0; i < 18; i++) await insert(made.app, 1_000_000);
    await expect.poll(() => made.bench.synced.length).toBeGreaterThan(1);
  });

  test('shares one watch of a directory between its databases, and sees one that is made again', async () => {
    const { watchDirectory } = await import('../../../src/engine/db/directory-watch.ts');
    bench = Bench.bare();
    const { directory } = bench;
    const seen: string[] = [];
    const request = (names: string[] | undefined) => ({ directory, identity: 'one', names });
    const stops = [
      watchDirectory(request(['a.db', 'a.db-wal']), () => seen.push('a')),
      watchDirectory(request(['b.db']), () => seen.push('b')),
      watchDirectory(request(undefined), () => seen.push('any')),
    ];
    writeFileSync(`${directory}/a.db-wal`, '');
    await expect.poll(() => new Set(seen)).toEqual(new Set(['a', 'any']));
    seen.length = 0;
    stops[2]?.();
    writeFileSync(`${directory}/c.db`, '');
    writeFileSync(`${directory}/b.db`, '');
    await expect.poll(() => new Set(seen)).toEqual(new Set(['b']));
    for (const stop of stops) stop?.();
    seen.length = 0;
    const again = watchDirectory(request(['b.db']), () => seen.push('again'));
    writeFileSync(`${directory}/b.db`, 'x');
    await expect.poll(() => new Set(seen)).toEqual(new Set(['again']));
    again?.();
    expect(watchDirectory({ directory: `${directory}/missing`, identity: '', names: undefined }, () => {})).toBeUndefined();
  });

  test('tells each change of state once', async () => {
    const made = await Bench.make();
    bench = made.bench;
    const engine = bench.engine({ monitorIntervalMs: 5, pollIntervalMs: 10 });
    await engine.sync();
    await sleep(100);
    await engine.close();
    await engine.close();
    expect(made.bench.events.filter((event) => event.type === 'state')).toEqual([
      { type: 'state', state: 'replicating' },
      { type: 'state', state: 'stopped' },
    ]);
    await expect(engine.sync()).rejects.toMatchObject({ code: 'ENGINE_STOPPED' });
  });

  test('close captures what was committed last', async () => {
    const made = await Bench.make();
    bench = made.bench;
    const engine = bench.engine();
    await engine.sync();
    await insert(made.app);
    await engine.close();
    expect(await made.bench.replicaDigest(made.app)).toBe(await made.app.digest());
  });
});
