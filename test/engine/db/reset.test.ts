/** Beginning the local state anew: under the owner's lock, never at a number that was used, whatever runs meanwhile. */

import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { measureLog, moveLogAside, removeMovedLogs } from '../../../src/engine/db/local-reset.ts';
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

async function expectEqual(): Promise<void> {
  expect(await bench.replicaDigest(app)).toBe(await app.digest());
}

describe('reset of a running engine', () => {
  test('moves the local files aside and goes on with a full file behind replicas and local files', async () => {
    const engine = bench.engine();
    await engine.sync();
    await insert();
    await engine.sync();
    const before = bench.files.length;
    const { keptIn, files, bytes } = await engine.reset(toTXID(0));
    expect(files).toBe(before);
    expect(bytes).toBeGreaterThan(0);
    expect(readdirSync(join(keptIn ?? '', 'ltx', '0'))).toHaveLength(before);
    expect(bench.files).toEqual([]);
    expect(await engine.sync()).toMatchObject({ after: 3n });
    await insert();
    expect(await engine.sync()).toMatchObject({ after: 4n });
    expect(bench.fullReasons).toEqual(['first file', 'first file']);
    await expectEqual();

    await engine.reset(toTXID(40));
    expect(await engine.sync()).toMatchObject({ after: 41n });
    await expectEqual();
  });

  test('during syncs, writes, snapshots and checkpoints loses nothing and uses no number twice (row 37)', async () => {
    const engine = bench.engine({ maxSyncWALBytes: 20_000 });
    await engine.sync();
    const aside = join(bench.directory, 'snapshots');
    await mkdir(aside);
    const work: Promise<unknown>[] = [];
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 6; i++) await insert(4000);
      work.push(
        engine.sync(),
        engine.snapshot(aside).catch(() => undefined),
        engine.reset(toTXID(0)),
        engine.sync(),
      );
      if (round % 2 === 0) work.push(engine.checkpoint('PASSIVE'));
    }
    await Promise.all(work);
    await engine.sync();
    const txids = bench.synced.map(({ txid }) => txid);
    expect(new Set(txids).size).toBe(txids.length);
    expect(txids).toEqual([...txids].sort((a, b) => (a < b ? -1 : 1)));
    await expectEqual();
  });

  test('works where a damaged file and silent replicas keep the database from being opened', async () => {
    const first = bench.engine();
    await first.sync();
    await first.close();
    const [file = ''] = bench.files;
    await writeFile(file, 'not an LTX file');
    const second = bench.engine({}, { floor: undefined });
    await expect(second.sync()).rejects.toMatchObject({ disposition: 'reset' });
    await second.reset(toTXID(5));
    expect(await second.sync()).toMatchObject({ after: 6n });
    await expectEqual();
  });

  test('without local files moves nothing', async () => {
    const engine = bench.engine();
    await engine.sync();
    await rm(join(bench.metaPath, 'ltx'), { recursive: true });
    expect(await engine.reset(toTXID(0))).toEqual({ files: 0, bytes: 0 });
    await insert();
    // The monitor may have begun anew before the row came.
    expect(Number((await engine.sync()).after)).toBeGreaterThan(1);
    await expectEqual();
  });

  test('of a closed engine is refused and touches nothing', async () => {
    const engine = bench.engine();
    await engine.sync();
    await engine.close();
    await expect(engine.reset(toTXID(0))).rejects.toMatchObject({ code: 'ENGINE_STOPPED' });
    expect(bench.files).toHaveLength(1);
  });

  test('of a database that another process owns is refused and touches nothing', async () => {
    const owner = bench.engine();
    await owner.sync();
    const other = bench.engine();
    await expect(other.reset(toTXID(0))).rejects.toMatchObject({ code: 'DB_OWNED' });
    expect(bench.files).toHaveLength(1);
    await insert();
    expect(await owner.sync()).toMatchObject({ after: 2n });
  });
});

describe('the logs of earlier resets', () => {
  test('go when every replica is beyond them, and nothing else in their directory goes', async () => {
    const engine = bench.engine();
    await engine.sync();
    await engine.close();
    const moved = moveLogAside(bench.metaPath, Date.UTC(2026, 0, 2));
    expect(moved).toMatchObject({
      files: 1,
      newest: 1n,
      keptIn: join(bench.metaPath, 'aside', 'reset-20260102T000000.000Z-0000000000000001'),
    });
    expect(measureLog(bench.metaPath)).toMatchObject({ files: 0, bytes: 0 });
    await mkdir(join(bench.metaPath, 'aside', 'one-20260102T000000.000Z'));
    expect(removeMovedLogs(bench.metaPath, toTXID(1))).toBe(0);
    expect(removeMovedLogs(bench.metaPath, toTXID(2))).toBe(1);
    expect(readdirSync(join(bench.metaPath, 'aside'))).toEqual(['one-20260102T000000.000Z']);
    await rm(join(bench.metaPath, 'aside'), { recursive: true });
    expect(removeMovedLogs(bench.metaPath, toTXID(9))).toBe(0);
    expect(existsSync(join(bench.metaPath, 'aside'))).toBe(false);
  });
});
