/** How much is written for how much change: full files where they belong, and nothing for nothing. */

import { statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DatabaseEngine } from '../../../src/engine/database-engine.ts';
import type { App } from '../../support/app-process.ts';
import { Bench } from './bench.ts';

let bench: Bench;
let app: App;
beforeEach(async () => {
  ({ bench, app } = await Bench.make());
});
afterEach(() => bench.end());

const rows = (count: number, bytes: number): Promise<void> =>
  app.exec(
    `INSERT INTO t (body) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count}) SELECT randomblob(${bytes}) FROM n`,
  );
const small = (): Promise<void> => app.exec('UPDATE t SET body = randomblob(100) WHERE id = 1 + abs(random()) % 1000');
const checkpoints = () => bench.events.filter((event) => event.type === 'checkpoint');

describe('full files', () => {
  test('a busy run of small transactions, with every kind of checkpoint by us and by others, has exactly one (row 16)', async () => {
    await rows(1000, 3000);
    await app.exec('PRAGMA busy_timeout = 20', 'meddler');
    const engine = bench.engine({ monitorIntervalMs: 5, pollIntervalMs: 20, minCheckpointPages: 40, truncatePages: 400 });
    await engine.sync();
    const modes = ['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'];
    for (let i = 0; i < 400; i++) {
      await small();
      if (i % 13 === 0) await app.checkpoint(modes[(i / 13) % 4] ?? '', 'meddler');
      if (i % 50 === 49) await engine.checkpoint('TRUNCATE');
    }
    await engine.sync();
    const [first, ...others] = bench.synced;
    const largest = Math.max(...others.map(({ pages }) => pages));
    console.log({ files: bench.files.length, checkpoints: checkpoints().length, first: first?.pages, largest });
    expect(bench.fullReasons).toEqual(['first file']);
    expect(first?.pages).toBeGreaterThan(900);
    // What looks like an increment must be one, too.
    expect(largest).toBeLessThan(200);
    expect(others.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(4 * (first?.size ?? 0));
    expect(checkpoints().filter(({ complete }) => complete).length).toBeGreaterThan(5);
    expect(await bench.replicaDigest(app)).toBe(await app.digest());
  }, 240_000);

  for (const [before, prepare] of [
    ['an untouched WAL', async () => {}],
    ['a WAL that our last checkpoint began anew', (engine: DatabaseEngine) => engine.checkpoint('PASSIVE')],
  ] as const) {
    test(`a restart over ${before}, a snapshot and a write need none (row 25)`, async () => {
      const first = bench.engine();
      await rows(50, 3000);
      await first.sync();
      await prepare(first);
      await first.close();
      const second = bench.engine();
      const { maxTXID } = await second.snapshot(bench.directory);
      expect(maxTXID).toBe((await second.status()).txid);
      await small();
      await second.sync();
      await second.snapshot(bench.directory);
      await small();
      await second.sync();
      expect(bench.fullReasons).toEqual(['first file']);
      expect(await bench.replicaDigest(app)).toBe(await app.digest());
    });
  }
});

test('stale frames behind the end of a large WAL cause nothing in a hundred looks (row 17)', async () => {
  const engine = bench.engine({ monitorIntervalMs: 5, pollIntervalMs: 5, minCheckpointPages: 100, checkpointIntervalMs: 50 });
  await engine.sync();
  await rows(1000, 3000);
  await expect.poll(() => checkpoints().some(({ complete }) => complete)).toBe(true);
  const passes = () => bench.events.filter((event) => event.type === 'pass').length;
  // The small file of our own commit, which begins the WAL anew.
  await expect.poll(async () => (await engine.status()).walSize).toBeLessThan(10 * 4120);
  await expect.poll(passes).toBeGreaterThanOrEqual(passes() + 50);
  const wal = () => statSync(`${bench.path}-wal`).size;
  expect(wal()).toBeGreaterThan(900 * 4120);
  const before = { files: bench.files.length, checkpoints: checkpoints().length, passes: passes(), size: wal() };
  await expect.poll(passes).toBeGreaterThanOrEqual(before.passes + 100);
  expect({ files: bench.files.length, checkpoints: checkpoints().length, size: wal() }).toEqual({
    files: before.files,
    checkpoints: before.checkpoints,
    size: before.size,
  });
});
