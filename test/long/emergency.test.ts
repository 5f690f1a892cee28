/** A large database and a WAL far above its thresholds: what the application feels while the emergency checkpoint makes up for it. */

import { afterEach, expect, test } from 'vitest';
import { Bench } from '../engine/db/bench.ts';
import { writeFor } from '../support/timed-writer.ts';

let bench: Bench | undefined;
afterEach(async () => {
  await bench?.end();
  bench = undefined;
});

/** MiB of the database. */
const SIZE = Number(process.env.EMERGENCY_MIB ?? 600);

test('an emergency checkpoint of a large database keeps writers out for moments only (row 35)', { timeout: 20 * 60_000 }, async () => {
  const made = await Bench.make();
  bench = made.bench;
  const { app } = made;
  await app.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0');
  for (let mib = 0; mib < SIZE; mib += 50) {
    await app.exec(
      'INSERT INTO t (body) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT zeroblob(1024 * 1024 - 500) FROM n; PRAGMA wal_checkpoint(TRUNCATE)',
    );
  }
  const engine = bench.engine({
    monitorIntervalMs: 100,
    pollIntervalMs: 200,
    minCheckpointPages: 1_000_000,
    truncatePages: 20_000,
    maxSyncWALBytes: 64 * 1024 * 1024,
  });
  await engine.sync();
  const quiet = await writeFor(app, 3000);
  // A reader keeps the WAL from being reused, while pages all over the file are changed.
  await app.exec('BEGIN; SELECT count(*) FROM _litestream_seq', 'reader');
  await app.all('SELECT count(*) FROM _litestream_seq', 'reader');
  await app.exec(`UPDATE t SET body = randomblob(200000) WHERE id % 2 = 0`);
  expect((await engine.status()).walSize).toBeGreaterThan(20_000 * 4120);
  await app.exec('COMMIT', 'reader');
  const busy = await writeFor(app, 40_000);
  const status = await engine.status();
  console.log({ size: SIZE, quiet, busy, walSize: status.walSize, worstWriteLockMs: status.worstWriteLockMs });
  const emergencies = bench.events.filter((event) => event.type === 'checkpoint' && event.mode === 'TRUNCATE');
  expect(emergencies.length).toBeGreaterThan(0);
  expect(status.walSize).toBeLessThan(20_000 * 4120);
  expect(busy.p99Ms).toBeLessThan(250);
  expect(busy.worstMs).toBeLessThan(3000);
  expect(bench.fullReasons).toEqual(['first file']);
  await engine.sync();
  expect(await bench.replicaDigest(app)).toBe(await app.digest());
});
