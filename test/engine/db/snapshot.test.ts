import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodePublishFS, type PublishFS } from '../../../src/engine/db/publish-fs.ts';
import { readLTXFileHeader } from '../../../src/formats/ltx/file.ts';
import { threadKernel } from '../../../src/formats/ltx/thread-kernel.ts';
import type { App } from '../../support/app-process.ts';
import { Rebuild, rebuildAll } from '../../support/rebuild.ts';
import { Bench } from './bench.ts';

let bench: Bench;
let app: App;
beforeEach(async () => {
  ({ bench, app } = await Bench.make());
});
afterEach(() => bench.end());

const insert = (bytes = 3000): Promise<void> => app.exec(`INSERT INTO t (body) VALUES (randomblob(${bytes}))`);

describe('a snapshot', () => {
  test('holds exactly the state of its position', async () => {
    const engine = bench.engine();
    for (let i = 0; i < 10; i++) {
      await insert();
      if (i % 3 === 0) await engine.checkpoint('PASSIVE');
      const staged = await engine.snapshot(bench.directory);
      const image = new Rebuild().apply(staged.path).image();
      expect(image.equals(rebuildAll(bench.logDirectory).image())).toBe(true);
      expect(staged).toMatchObject({ minTXID: 1n, maxTXID: BigInt(bench.files.length), path: expect.stringContaining(bench.directory) });
      expect(readLTXFileHeader(staged.path)).toMatchObject({
        minTXID: 1n,
        maxTXID: staged.maxTXID,
        timestamp: staged.timestamp,
        walSalt1: expect.any(Number),
      });
    }
  });

  test('names its last captured frame and the salts of the WAL', async () => {
    const engine = bench.engine();
    await insert();
    await engine.sync();
    const newest = readLTXFileHeader(bench.files.at(-1) ?? '');
    const { path } = await engine.snapshot(bench.directory);
    expect(readLTXFileHeader(path)).toMatchObject({
      walOffset: newest.walOffset + newest.walSize - 4120,
      walSize: 4120,
      walSalt1: newest.walSalt1,
      walSalt2: newest.walSalt2,
      commit: newest.commit,
    });
  });

  test('is not changed by what is written, captured and checkpointed while it is copied (row 23)', async () => {
    await app.exec(
      'INSERT INTO t (body) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT randomblob(1000) FROM n',
    );
    // A slow disk, for the snapshot alone.
    const pause = new Int32Array(new SharedArrayBuffer(4));
    const fs: PublishFS = {
      ...nodePublishFS,
      write: (fd, path, bytes) => {
        if (path.startsWith(`${bench.directory}/0`)) Atomics.wait(pause, 0, 0, 20);
        nodePublishFS.write(fd, path, bytes);
      },
    };
    const engine = bench.engine({}, { fs });
    await engine.sync();
    await engine.checkpoint('PASSIVE');
    await insert();
    await engine.sync();
    const before = bench.files.length;
    const running = engine.snapshot(bench.directory);
    let skipped = 0;
    let done = false;
    const finished = running.then(() => {
      done = true;
    });
    while (!done) {
      // First of all: while the application is slow the copy may come to its end.
      if (!(await engine.checkpoint('PASSIVE')).complete) skipped++;
      await app.exec('UPDATE t SET body = randomblob(900) WHERE id % 997 = abs(random()) % 997');
      await engine.sync();
    }
    await finished;
    const staged = await running;
    expect(staged.maxTXID).toBe(BigInt(before));
    expect(skipped).toBeGreaterThan(0);
    const rebuilt = new Rebuild();
    for (const path of bench.files.slice(0, before)) rebuilt.apply(path);
    expect(new Rebuild().apply(staged.path).image().equals(rebuilt.image())).toBe(true);
    await engine.sync();
    expect(await bench.replicaDigest(app)).toBe(await app.digest());
    expect(await engine.checkpoint('PASSIVE')).toMatchObject({ complete: true });
  });

  test('that fails leaves nothing behind and does not keep checkpoints away (row 32)', async () => {
    const engine = bench.engine();
    await engine.sync();
    await expect(engine.snapshot(join(bench.directory, 'missing'))).rejects.toMatchObject({ code: 'DB_NOT_READY' });
    expect(await engine.checkpoint('PASSIVE')).toMatchObject({ complete: true });
  });

  test('ends when the engine is closed, and close does not wait for all of it', async () => {
    await app.exec(
      'INSERT INTO t (body) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) SELECT randomblob(1000) FROM n',
    );
    const engine = bench.engine();
    await engine.sync();
    const running = engine.snapshot(bench.directory).then(
      () => 'done',
      (error: { code: string }) => error.code,
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    await engine.close();
    expect(await running).toMatch(/SHUTTING_DOWN|ENGINE_STOPPED/);
    expect(readdirSync(bench.directory).filter((name) => name.endsWith('.ltx') || name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('page sums', () => {
  test('are the sums of the pages of their position, with 0 for what is not a page', async () => {
    const engine = bench.engine();
    for (let i = 0; i < 5; i++) await insert(20_000);
    await engine.checkpoint('PASSIVE');
    await insert();
    const sums = await engine.pageSums(bench.directory);
    const rebuilt = rebuildAll(bench.logDirectory);
    expect(sums).toMatchObject({ txid: rebuilt.header?.maxTXID, pageSize: 4096, commit: rebuilt.commit });
    const bytes = readFileSync(sums.path);
    expect(bytes.length).toBe(8 * sums.commit);
    const image = rebuilt.image();
    for (let i = 0; i < sums.commit; i++) {
      expect(bytes.readBigUInt64LE(i * 8)).toBe(threadKernel().crc64Bytes(0n, image.subarray(i * 4096, (i + 1) * 4096)));
    }
  });

  test('may be asked for again', async () => {
    const engine = bench.engine();
    const first = await engine.pageSums(bench.directory);
    expect((await engine.pageSums(bench.directory)).path).toBe(first.path);
    expect(existsSync(first.path)).toBe(true);
  });
});
