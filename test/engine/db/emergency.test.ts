/** A WAL that has grown above every threshold: what the application feels of it, and what ends it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Connection } from '../../../src/sqlite/connection.ts';
import type { App } from '../../support/app-process.ts';
import { writeFor } from '../../support/timed-writer.ts';
import { Bench } from './bench.ts';

let bench: Bench | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await bench?.end();
  bench = undefined;
});

/** Modes of all checkpoints that this process asks SQLite for from now on, and the busy timeouts that it sets. */
function spyOnSQLite(): { readonly modes: Set<string>; readonly timeouts: number[] } {
  const seen = { modes: new Set<string>(), timeouts: [] as number[] };
  const { row, setBusyTimeout } = Connection.prototype;
  vi.spyOn(Connection.prototype, 'row').mockImplementation(function (this: Connection, sql, ...values) {
    const mode = /wal_checkpoint\((\w+)\)/.exec(sql)?.[1];
    if (mode !== undefined) seen.modes.add(mode);
    return row.call(this, sql, ...values);
  });
  vi.spyOn(Connection.prototype, 'setBusyTimeout').mockImplementation(function (this: Connection, ms) {
    seen.timeouts.push(ms);
    setBusyTimeout.call(this, ms);
  });
  return seen;
}

const holdReader = async (app: App): Promise<void> => {
  await app.exec('BEGIN', 'reader');
  await app.all('SELECT count(*) FROM t', 'reader');
};

const grow = (app: App, kib: number): Promise<void> =>
  app.exec(
    `INSERT INTO t (body) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${kib}) SELECT randomblob(1000) FROM n`,
  );

const walFileSize = (app: App, path: string): Promise<number> =>
  app.run((_context, file: string) => process.getBuiltinModule('node:fs').statSync(`${file}-wal`).size, path);

describe('with a reader that stays', () => {
  test('writers are never kept waiting, and no checkpoint that waits for readers is tried (row 6)', { timeout: 240_000 }, async () => {
    const made = await Bench.make();
    bench = made.bench;
    const { app } = made;
    await app.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0');
    const sqlite = spyOnSQLite();
    // A checkpoint that waited for readers with the write lock held would hold it for that long, each time: longer than the writer waits.
    const engine = bench.engine({
      monitorIntervalMs: 10,
      pollIntervalMs: 20,
      minCheckpointPages: 50,
      truncatePages: 200,
      checkpointIntervalMs: 100,
      busyTimeoutMs: 20_000,
    });
    await engine.sync();
    await holdReader(app);
    await grow(app, 2000);
    const held = await writeFor(app, 3500, 300);
    const checkpoints = () => made.bench.events.filter((event) => event.type === 'checkpoint');
    await expect.poll(() => checkpoints().length).toBeGreaterThanOrEqual(2);
    const tried = checkpoints();
    expect(tried.every((event) => !event.complete)).toBe(true);
    // The reader leaves: now the emergency checkpoint succeeds, under the same writer.
    await app.exec('COMMIT', 'reader');
    const free = await writeFor(app, 1500, 300);
    await expect.poll(async () => (await engine.status()).walSize, { timeout: 90_000 }).toBeLessThan(200 * 4120);
    console.log({ held, free, checkpoints: tried.length });
    for (const { p99Ms, worstMs } of [held, free]) {
      expect(p99Ms).toBeLessThan(2500);
      expect(worstMs).toBeLessThan(10_000);
    }
    expect([...sqlite.modes].sort()).toEqual(['NOOP', 'PASSIVE', 'TRUNCATE']);
    // TRUNCATE itself would wait for readers: it is never given the time to.
    expect(new Set(sqlite.timeouts)).toEqual(new Set([0]));
    await engine.sync();
    expect(await bench.replicaDigest(app)).toBe(await app.digest());
  });

  for (const [word, truncatePages] of [
    ['the default of the brake', 200],
    ['the brake switched off', Number.POSITIVE_INFINITY],
  ] as const) {
    test(`a runaway WAL with ${word}: ${truncatePages === 200 ? 'the file is emptied' : 'the file keeps its size, and is used again'} when the reader leaves (row 30)`, async () => {
      const made = await Bench.make();
      bench = made.bench;
      const { app } = made;
      await app.exec('PRAGMA wal_autocheckpoint = 0');
      const engine = bench.engine({ monitorIntervalMs: 10, pollIntervalMs: 20, minCheckpointPages: 150, truncatePages });
      await engine.sync();
      await holdReader(app);
      await grow(app, 2000);
      await expect.poll(() => bench?.events.some((event) => event.type === 'checkpoint')).toBe(true);
      const size = await walFileSize(app, bench.path);
      expect(size).toBeGreaterThan(500 * 4120);
      await app.exec('COMMIT', 'reader');
      const complete = () => bench?.events.find((event) => event.type === 'checkpoint' && event.complete);
      await expect.poll(complete).toMatchObject({ mode: truncatePages === 200 ? 'TRUNCATE' : 'PASSIVE' });
      await grow(app, 10);
      await engine.sync();
      if (truncatePages === 200) expect(await walFileSize(app, bench.path)).toBeLessThan(100 * 4120);
      else expect(await walFileSize(app, bench.path)).toBe(size);
      expect(bench.fullReasons).toEqual(['first file']);
      expect(await bench.replicaDigest(app)).toBe(await app.digest());
    });
  }
});

test('after an emergency the database comes to rest', async () => {
  const made = await Bench.make();
  bench = made.bench;
  const { app } = made;
  await app.exec('PRAGMA wal_autocheckpoint = 0');
  const engine = bench.engine({ monitorIntervalMs: 5, pollIntervalMs: 10, minCheckpointPages: 100, truncatePages: 200 });
  await engine.sync();
  await grow(app, 2000);
  await expect.poll(async () => (await engine.status()).walSize).toBeLessThan(20 * 4120);
  const atRest = async () => {
    const { length } = made.bench.files;
    await sleep(500);
    return made.bench.files.length === length;
  };
  await expect.poll(atRest).toBe(true);
});
