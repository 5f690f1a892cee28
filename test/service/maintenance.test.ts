import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MaintenanceSettings } from '../../src/engine/options.ts';
import { restorablePoints } from '../../src/engine/restore/points.ts';
import { type FileInfo, LEVELS, type Level } from '../../src/replica/file-info.ts';
import { layoutFor } from '../../src/replica/layout.ts';
import { Replica } from '../../src/replica/replica.ts';
import { type Maintenance, maintenanceOf, makeMaintenance } from '../../src/service/maintenance/maintenance.ts';
import type { ManagedDatabase } from '../../src/service/managed-database.ts';
import type { DatabaseEntry } from '../../src/service/options.ts';
import { runJob } from '../../src/workers/job-host.ts';
import { becomes, Setting, settled } from './setting.ts';

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
    for (let round = 0; round < 4; round++) {
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
    expect(setting.counts.get('compactions')).toBeGreaterThanOrEqual(8);
    expect(setting.counts.get('snapshots')).toBe(4);
    expect(setting.counts.get('retention_deleted_files')).toBeGreaterThan(8);
    expect(setting.counts.get('compaction_failures')).toBeUndefined();
    const [status] = (await database.status()).replicas;
    expect(status?.troubles).toBeUndefined();
    expect(Object.keys(status?.maintenance?.compactedAt ?? {})).toEqual(['1', '2']);
  });
});
void runJob;
void restorablePoints;
