import { readdirSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MaintenanceSettings } from '../../src/engine/options.ts';
import { restorablePoints } from '../../src/engine/restore/points.ts';
import { formatLTXName } from '../../src/formats/ltx/filename.ts';
import { NO_TXID, toTXID } from '../../src/formats/ltx/txid.ts';
import { type FileInfo, LEVELS, type Level } from '../../src/replica/file-info.ts';
import { layoutFor } from '../../src/replica/layout.ts';
import { Replica } from '../../src/replica/replica.ts';
import { type Maintenance, maintenanceOf, makeMaintenance } from '../../src/service/maintenance/maintenance.ts';
import type { ManagedDatabase } from '../../src/service/managed-database.ts';
import type { DatabaseEntry } from '../../src/service/options.ts';
import { runJob } from '../../src/workers/job-host.ts';
import { runJobHere } from '../../src/workers/job-kinds.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

let setting: Setting;

beforeEach(() => {
  setting = new Setting();
  setting.companions = [makeMaintenance];
});

afterEach(() => setting.end());

const SETTINGS: MaintenanceSettings = {
  levels: [
    { level: 1, intervalMs: 100 },
    { level: 2, intervalMs: 400 },
  ],
  snapshotIntervalMs: 1000,
  snapshotRetentionMs: 3_600_000,
  level0RetentionMs: 1,
  level0CheckMs: 50,
  deletes: true,
  verifyCompaction: true,
};

function entry(more: Partial<MaintenanceSettings> = {}): DatabaseEntry {
  const plain = setting.entry();
  return { ...plain, replicas: plain.replicas.map((replica) => ({ ...replica, maintenance: { ...SETTINGS, ...more } })) };
}

function maintenance(database: ManagedDatabase): Maintenance {
  const [replica] = database.replicas;
  const found = replica === undefined ? undefined : maintenanceOf(replica);
  if (found === undefined) throw new Error('there is no maintenance');
  return found;
}

async function listing(): Promise<FileInfo[]> {
  const replica = new Replica(setting.remote('one').store.innermost, layoutFor('file'));
  const files: FileInfo[] = [];
  for (const level of LEVELS) for await (const file of replica.list(level)) files.push(file);
  return files;
}

const ranges = (files: readonly FileInfo[], level: Level): string[] =>
  files.filter((file) => file.level === level).map(({ minTXID, maxTXID }) => `${minTXID}-${maxTXID}`);

const forever = new AbortController().signal;

describe('maintenance of a running database', () => {
  test('merges, takes a snapshot and deletes what is covered; the database can be restored throughout', async () => {
    const app = await setting.application();
    const { database } = await setting.start(entry());
    await becomes(database, 'replicating');
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 3; at++) {
        await app.exec(`INSERT INTO t (body) VALUES (hex(randomblob(${500 + at})))`);
        await settled(database);
      }
      await maintenance(database).runAll(forever);
      const files = await listing();
      const newest = files.reduce((most, { maxTXID }) => (maxTXID > most ? maxTXID : most), 0n);
      expect(ranges(files, 9).at(-1)).toBe(`1-${newest}`);
      expect(ranges(files, 1).at(-1)).toMatch(new RegExp(`-${newest}$`));
      expect(ranges(files, 0)).toHaveLength(1);
      expect(await setting.restoredDigest(app)).toBe(await app.digest());
    }
    expect(setting.counts.get('compactions')).toBeGreaterThanOrEqual(6);
    expect(setting.counts.get('snapshots')).toBe(3);
    expect(setting.counts.get('retention_deleted_files')).toBeGreaterThan(6);
    expect(setting.counts.get('compaction_failures')).toBeUndefined();
    const [status] = (await database.status()).replicas;
    expect(status?.troubles).toBeUndefined();
    expect(Object.keys(status?.maintenance?.compactedAt ?? {})).toEqual(['1', '2']);
  });

  test('every point that is kept is restored as it was, after each round of merges and deletions', async () => {
    const app = await setting.application();
    const { database } = await setting.start(entry({ snapshotRetentionMs: 1 }));
    await becomes(database, 'replicating');
    const digests = new Map<bigint, string>();
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 4; at++) {
        await app.exec(at === 2 ? 'DELETE FROM t WHERE id % 3 = 0' : 'INSERT INTO t (body) VALUES (hex(randomblob(3000)))');
        const { after } = await settled(database);
        digests.set(after, await app.digest());
      }
      await maintenance(database).runAll(forever);
      const points = restorablePoints(await listing());
      expect(points.length).toBeLessThan(8);
      let compared = 0;
      for (const { txid } of points) {
        const digest = digests.get(txid);
        if (digest === undefined) continue;
        compared += 1;
        const output = setting.at(`round-${round}-${txid}.db`);
        const store = { type: 'file', path: setting.remote('one').path } as const;
        await runJobHere('restore', { store, target: { type: 'txid', txid }, output, integrity: 'none' });
        expect(await app.digestFile(output)).toBe(digest);
      }
      expect(compared).toBeGreaterThan(0);
    }
    expect(ranges(await listing(), 9).length).toBeLessThanOrEqual(2);
  }, 150_000);

  test('a snapshot comes after the level-0 files that it holds: a kill between them leaves none of these out', async () => {
    const app = await setting.application();
    const { database } = await setting.start(entry());
    await becomes(database, 'replicating');
    await settled(database);
    const { store } = setting.remote('one');
    const gate = Promise.withResolvers<void>();
    store.script({ on: 'put', key: 'ltx/0/', fault: { type: 'wait', gate: gate.promise }, times: Number.POSITIVE_INFINITY });
    store.calls.length = 0;
    const puts = () => store.calls.filter(({ verb }) => verb === 'put').map(({ key }) => key.slice(0, 'ltx/0'.length));
    await app.exec("INSERT INTO t (body) VALUES ('something')");
    const [replica] = database.replicas;
    const snapshot = replica && database.snapshot(replica);
    await expect.poll(() => readdirSync(setting.settings().metaPath).some((name) => name.startsWith('snapshot-'))).toBe(true);
    await expect.poll(puts).toContain('ltx/0');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(puts()).not.toContain('ltx/9');
    gate.resolve();
    const { maxTXID } = (await snapshot) ?? { maxTXID: NO_TXID };
    expect(puts().at(-1)).toBe('ltx/9');
    expect(await setting.remote('one').txids(0)).toContain(Number(maxTXID));
  });

  test('an idle replica gets no request (row 21)', async () => {
    const app = await setting.application();
    const { database } = await setting.start(entry({ snapshotIntervalMs: 60_000 }));
    await becomes(database, 'replicating');
    await app.exec("INSERT INTO t (body) VALUES ('something')");
    await settled(database);
    await maintenance(database).runAll(forever);
    await setting.scheduler.run(/./);
    const { calls } = setting.remote('one').store;
    calls.length = 0;
    for (let tick = 0; tick < 5; tick++) await setting.scheduler.run(/./);
    expect(calls).toEqual([]);
    await app.exec("INSERT INTO t (body) VALUES ('something else')");
    await settled(database);
    calls.length = 0;
    await new Promise((resolve) => setTimeout(resolve, 110));
    await setting.scheduler.run('compaction of level 1');
    expect(calls.filter(({ verb }) => verb === 'put')).toHaveLength(1);
  });

  test('nor does one whose newest transactions are in a snapshot alone', async () => {
    const app = await setting.application();
    const before = await setting.start();
    await becomes(before.database, 'replicating');
    await app.exec("INSERT INTO t (body) VALUES ('something')");
    await settled(before.database);
    const [replica] = before.database.replicas;
    if (replica === undefined) throw new Error('there is no replica');
    await before.database.snapshot(replica);
    await before.service.stop(STOP);
    rmSync(join(setting.remote('one').path, 'ltx', '0'), { recursive: true });
    const { database } = await setting.start(entry({ snapshotIntervalMs: 60_000 }));
    await becomes(database, 'replicating');
    await settled(database);
    for (let tick = 0; tick < 3; tick++) await setting.scheduler.run(/./);
    const { calls } = setting.remote('one').store;
    calls.length = 0;
    for (let tick = 0; tick < 3; tick++) await setting.scheduler.run(/./);
    expect(calls).toEqual([]);
    expect(await setting.restoredDigest(app)).toBe(await app.digest());
  });

  test('a database that is missing gets its snapshot from what the replica holds', async () => {
    const app = await setting.application();
    const before = await setting.start();
    await becomes(before.database, 'replicating');
    await app.exec("INSERT INTO t (body) VALUES ('kept')");
    await settled(before.database);
    const digest = await app.digest();
    await before.service.stop(STOP);
    await app.close();
    renameSync(setting.at('app.db'), setting.at('away.db'));
    const { database } = await setting.start(entry());
    await becomes(database, 'waiting');
    await expect.poll(() => database.replicas[0]?.position).toBeGreaterThan(0n);
    await maintenance(database).runAll(forever);
    const files = await listing();
    expect(ranges(files, 9)).toEqual([`1-${database.replicas[0]?.position}`]);
    for (const level of [0, 1, 2]) rmSync(join(setting.remote('one').path, 'ltx', String(level)), { recursive: true });
    expect(await setting.restoredDigest(app)).toBe(digest);
  });

  test('while uploads fail the replica is left as it is, and what was due is done when they work again', async () => {
    const app = await setting.application();
    const { database } = await setting.start(entry());
    await becomes(database, 'replicating');
    await settled(database);
    setting.remote('one').cut('put');
    await app.exec("INSERT INTO t (body) VALUES ('late')");
    await database.sync({ wait: false });
    await expect.poll(() => database.replicas[0]?.status().lastError).toBeDefined();
    const { calls } = setting.remote('one').store;
    const others = () => calls.filter(({ verb }) => verb !== 'list' && verb !== 'put' && verb !== 'open').length;
    await setting.scheduler.run(/compaction|snapshot|retention/);
    expect(others()).toBe(0);
    await expect(maintenance(database).runAll(forever)).rejects.toMatchObject({ code: 'NOT_REPLICATED' });
    expect(ranges(await listing(), 9)).toEqual([]);
    setting.remote('one').heal();
    await settled(database);
    await setting.scheduler.run('level-0 retention');
    await expect.poll(async () => ranges(await listing(), 9).length).toBe(1);
  });
});

/** No pause between two commits is one for such a level. */
const HOURLY: MaintenanceSettings['levels'] = [
  { level: 1, intervalMs: 3_600_000 },
  { level: 2, intervalMs: 3_600_000 },
];

describe('what stands in the way', () => {
  test('a hole that nothing can fill is closed by a snapshot, and merging goes on behind it (row 76)', async () => {
    const app = await setting.application();
    const { database } = await setting.start(entry({ levels: HOURLY, level0RetentionMs: 3_600_000 }));
    await becomes(database, 'replicating');
    for (let at = 0; at < 6; at++) {
      await app.exec(`INSERT INTO t (body) VALUES ('${at}')`);
      await settled(database);
    }
    const newest = Number(database.replicas[0]?.position);
    const lost = formatLTXName({ minTXID: toTXID(newest - 2), maxTXID: toTXID(newest - 2) });
    rmSync(join(setting.remote('one').path, 'ltx', '0', lost));
    rmSync(setting.at('.app.db-litestream', 'ltx', '0', lost));
    await maintenance(database).runAll(forever);
    const files = await listing();
    expect(ranges(files, 9)).toEqual([`1-${newest}`]);
    expect(ranges(files, 1)).toEqual([`1-${newest - 3}`, `${newest - 1}-${newest}`]);
    expect((await database.status()).replicas[0]?.troubles).toBeUndefined();
    expect(await setting.restoredDigest(app)).toBe(await app.digest());
  });

  test('the state before a pause is not merged into what was written after it', async () => {
    const HOUR = 3_600_000;
    const app = await setting.application();
    const { service, database } = await setting.start(entry({ levels: [{ level: 1, intervalMs: HOUR }] }));
    await becomes(database, 'replicating');
    await settled(database);
    await app.exec("INSERT INTO t (body) VALUES ('before the pause')");
    await settled(database);
    const last = Number(database.replicas[0]?.position);
    const digest = await app.digest();
    await service.stop(STOP);
    // A night, as the times of the files tell it.
    const night = (Date.now() - 8 * HOUR) / 1000;
    const directory = join(setting.remote('one').path, 'ltx', '0');
    for (const name of readdirSync(directory)) utimesSync(join(directory, name), night, night);
    const { database: again } = await setting.start(entry({ levels: [{ level: 1, intervalMs: HOUR }] }));
    await becomes(again, 'replicating');
    await app.exec("INSERT INTO t (body) VALUES ('after the pause')");
    await settled(again);
    await maintenance(again).runAll(forever);
    const files = await listing();
    expect(ranges(files, 1)).toEqual([`1-${last}`, `${last + 1}-${Number(again.replicas[0]?.position)}`]);
    const output = setting.at('before.db');
    const target = { type: 'txid', txid: toTXID(last) } as const;
    await runJob('restore', { store: { type: 'file', path: setting.remote('one').path }, target, output, integrity: 'quick' });
    expect(await app.digestFile(output)).toBe(digest);
  });

  test('a lost file that is still in the local log is put there again', async () => {
    const app = await setting.application();
    const { database } = await setting.start(entry({ levels: HOURLY, level0RetentionMs: 3_600_000 }));
    await becomes(database, 'replicating');
    for (let at = 0; at < 4; at++) {
      await app.exec(`INSERT INTO t (body) VALUES ('${at}')`);
      await settled(database);
    }
    const newest = Number(database.replicas[0]?.position);
    rmSync(join(setting.remote('one').path, 'ltx', '0', formatLTXName({ minTXID: toTXID(newest - 1), maxTXID: toTXID(newest - 1) })));
    await setting.scheduler.run('compaction of level 1');
    expect(ranges(await listing(), 1)).toEqual([`1-${newest}`]);
    expect(ranges(await listing(), 0)).toHaveLength(newest);
    expect(setting.counts.get('snapshots')).toBeUndefined();
  });

  test('a change of page size gets its snapshot at once', async () => {
    const app = await setting.application();
    const yearly = entry({ snapshotIntervalMs: 31_536_000_000 });
    const { database, service } = await setting.start(yearly);
    await becomes(database, 'replicating');
    await settled(database);
    await maintenance(database).runAll(forever);
    const before = ranges(await listing(), 9);
    expect(before).toHaveLength(1);
    await service.stop(STOP);
    await app.exec('PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL');
    expect(await app.all('PRAGMA page_size')).toEqual([{ page_size: 8192 }]);
    const again = await setting.start(yearly);
    await becomes(again.database, 'replicating');
    await app.exec("INSERT INTO t (body) VALUES ('large')");
    await settled(again.database);
    await setting.scheduler.run('compaction of level 1');
    // Of the new pages; the insertion may have come after it.
    await expect.poll(async () => ranges(await listing(), 9)).toHaveLength(2);
    expect(await setting.restoredDigest(app)).toBe(await app.digest());
  });

  test('a listing that fails deletes nothing, is a trouble with its time, and is over when it works again', async () => {
    const app = await setting.application();
    const { database } = await setting.start(entry());
    await becomes(database, 'replicating');
    for (let at = 0; at < 4; at++) {
      await app.exec(`INSERT INTO t (body) VALUES ('${at}')`);
      await settled(database);
    }
    setting.remote('one').cut('list');
    await expect(maintenance(database).runAll(forever)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    const [status] = (await database.status()).replicas;
    expect(status).toMatchObject({ state: 'degraded' });
    expect(status?.troubles?.map(({ of, error }) => `${of}: ${error.code}`)).toContain('compaction of level 1: STORAGE_UNAVAILABLE');
    expect(setting.remote('one').store.count('delete')).toBe(0);
    expect(setting.messages('warn')).toContain('compaction of level 1 failed');
    expect(setting.counts.get('compaction_failures')).toBeGreaterThan(0);
    setting.remote('one').heal();
    await maintenance(database).runAll(forever);
    expect((await database.status()).replicas[0]?.troubles).toBeUndefined();
    expect(setting.messages('info')).toContain('compaction of level 1 works again');
  });

  test('a deletion that fails is a trouble, and is tried again', async () => {
    const app = await setting.application();
    const { database } = await setting.start(entry());
    await becomes(database, 'replicating');
    for (let at = 0; at < 4; at++) {
      await app.exec(`INSERT INTO t (body) VALUES ('${at}')`);
      await settled(database);
    }
    setting.remote('one').cut('delete');
    await expect(maintenance(database).runAll(forever)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect((await database.status()).replicas[0]?.troubles).toMatchObject([
      { of: 'level-0 retention', error: { code: 'STORAGE_UNAVAILABLE' } },
    ]);
    expect(setting.counts.get('compaction_failures')).toBeUndefined();
    setting.remote('one').heal();
    await maintenance(database).runAll(forever);
    expect(ranges(await listing(), 0)).toHaveLength(1);
    expect(await setting.restoredDigest(app)).toBe(await app.digest());
  });

  test('a restore under way keeps its files as long as it holds them (row 66)', async () => {
    const app = await setting.application();
    const { database } = await setting.start(entry());
    await becomes(database, 'replicating');
    for (let at = 0; at < 4; at++) {
      await app.exec(`INSERT INTO t (body) VALUES ('${at}')`);
      await settled(database);
    }
    const [replica] = database.replicas;
    const release = maintenance(database).hold(replica?.position ?? NO_TXID);
    await maintenance(database).runAll(forever);
    expect(setting.remote('one').store.count('delete')).toBe(0);
    release();
    await maintenance(database).runAll(forever);
    expect(ranges(await listing(), 0)).toHaveLength(1);
  });
});
