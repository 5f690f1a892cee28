/** The first minutes of a large database that was there before its replication. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { kill } from '../../tools/processes.ts';
import { Scene } from '../e2e/scene.ts';
import { Random, seedFromEnvironment } from '../support/random.ts';

const CYCLES = 50;
const MEGABYTES = 100;

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Of the names in a level-0 directory. */
const txids = (names: readonly string[]): number[] => names.map((name) => Number.parseInt(name.slice(0, 16), 16));

test('a daemon that is killed fifty times while it takes it in numbers without a gap, and what has arrived restores (row 10)', {
  timeout: 20 * 60_000,
}, async () => {
  const seed = seedFromEnvironment();
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  scene.config('l0-retention: 1h');
  const db = scene.db();
  db.exec('CREATE TABLE blobs (id INTEGER PRIMARY KEY, body BLOB)');
  const blob = db.prepare('INSERT INTO blobs (body) VALUES (randomblob(1000000))');
  for (let i = 0; i < MEGABYTES; i++) blob.run();
  db.pragma('wal_checkpoint(TRUNCATE)');

  const written: string[] = [];
  const insert = (): void => {
    written.push(`row ${written.length}`);
    scene.insert(written.at(-1) ?? '');
  };
  let restores = 0;
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const { child } = scene.start('-config', 'litestream.yml');
    // Most lives are too short for the first upload, or for the first file.
    const deadline = performance.now() + random.between(300, 2500);
    const arrived = scene.ltxFiles().length;
    const isLong = cycle % 10 === 9;
    while (performance.now() < deadline || (isLong && performance.now() < deadline + 60_000 && scene.ltxFiles().length === arrived)) {
      insert();
      await pause(random.between(1, 30));
    }
    await kill(child);
    const there = txids(scene.ltxFiles());
    expect(there, `cycle ${cycle}`).toEqual(there.map((_, index) => index + 1));
    const captured = txids(scene.ltxFiles('.app.db-litestream'));
    expect(captured, `cycle ${cycle}`).toEqual(captured.map((_, index) => (captured[0] ?? 0) + index));
    if (captured.length > 0) expect(captured[0], `cycle ${cycle}`).toBeLessThanOrEqual(there.length + 1);
    if (there.length === 0 || (restores > 0 && cycle % 10 > 0)) continue;
    restores += 1;
    const rows = await scene.restored();
    expect(rows).toEqual(written.slice(0, rows.length));
  }
  expect(restores).toBeGreaterThan(2);
  await scene.daemon();
  await scene.replicates();
  insert();
  await scene.ok('sync', '-wait', 'app.db');
  expect(await scene.restored()).toEqual(written);
  const there = txids(scene.ltxFiles());
  expect(there).toEqual(there.map((_, index) => index + 1));
});
