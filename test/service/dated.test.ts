import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import type { ReplicaSettings } from '../../src/engine/options.ts';
import { LATEST } from '../../src/engine/restore/target.ts';
import { listDestinations } from '../../src/replica/dated.ts';
import { openReplica } from '../../src/replica/open.ts';
import { datedCompanion } from '../../src/service/companions/dated.ts';
import { runJob } from '../../src/workers/job-host.ts';
import type { App } from '../support/app-process.ts';
import { becomes, Setting, settled } from './setting.ts';

const DAY = 86_400_000;
/** No midnight while a test runs. */
const BACK = DAY - (Date.now() % DAY) < 1_800_000 ? 3_600_000 : 0;
let setting: Setting;
let days = 0;

beforeEach(() => {
  setting = new Setting();
  days = 0;
  setting.clock = { ...systemClock, now: () => Date.now() - BACK + days * DAY };
  setting.companions = [datedCompanion(openReplica)];
});
afterEach(() => setting.end());

const at = (day: number) => new Date(Date.now() - BACK + day * DAY).toISOString().slice(0, 10);
const pathOf = (day: number) => setting.at('backups', at(day), 'app');

function daily(): ReplicaSettings {
  return {
    name: 'daily',
    store: { type: 'file', path: pathOf(0) },
    dated: { template: setting.at('backups', '$(date +%F)', 'app'), zone: 'UTC' },
    syncIntervalMs: 20,
    maxSyncFiles: Number.POSITIVE_INFINITY,
    maintenance: {
      levels: [],
      snapshotIntervalMs: DAY,
      snapshotRetentionMs: 2.5 * DAY,
      level0RetentionMs: 0,
      level0CheckMs: DAY,
      deletes: true,
      verifyCompaction: false,
    },
  };
}

async function restored(app: App, path: string): Promise<string> {
  const output = setting.at(`restored-${Math.random().toString(36).slice(2)}.db`);
  await runJob('restore', { store: { type: 'file', path }, target: LATEST, output, integrity: 'quick' });
  return app.digestFile(output);
}

test('when the date changes the old destination is complete and the new one begins with a snapshot of its own', async () => {
  const app = await setting.application();
  const { database } = await setting.start({ ...setting.entry([]), replicas: [daily()] });
  await becomes(database, 'replicating');
  await app.exec("INSERT INTO t (body) VALUES ('first day')");
  await settled(database);
  await setting.scheduler.run('dated destination');
  expect(existsSync(pathOf(1))).toBe(false);

  await app.exec("INSERT INTO t (body) VALUES ('last of the first day')");
  await database.sync({ wait: false });
  const firstDay = await app.digest();
  days = 1;
  await setting.scheduler.run('dated destination');
  await expect.poll(() => database.replicas[0]?.settings.store.path).toBe(pathOf(1));
  expect(await restored(app, pathOf(0))).toBe(firstDay);
  expect(await restored(app, pathOf(1))).toBe(firstDay);
  expect(readdirSync(`${pathOf(1)}/ltx`)).toEqual(['9']);

  await app.exec("INSERT INTO t (body) VALUES ('second day')");
  await settled(database);
  expect(await restored(app, pathOf(1))).toBe(await app.digest());
  expect(await restored(app, pathOf(0))).toBe(firstDay);
});

test('a destination is removed as a whole when it is too old, never the newest one that restores, and never what is not ours', async () => {
  const app = await setting.application();
  const { database } = await setting.start({ ...setting.entry([]), replicas: [daily()] });
  await becomes(database, 'replicating');
  for (days = 0; days < 3; days++) {
    if (days > 0) {
      await setting.scheduler.run('dated destination');
      await expect.poll(() => database.replicas[0]?.settings.store.path).toBe(pathOf(days));
    }
    await app.exec(`INSERT INTO t (body) VALUES ('day ${days}')`);
    await settled(database);
  }
  mkdirSync(setting.at('backups', 'latest', 'app'), { recursive: true });
  writeFileSync(setting.at('backups', 'latest', 'app', 'note'), 'mine');
  const listed = async () =>
    (await listDestinations({ ...daily(), dated: daily().dated ?? { template: '', zone: '' } })).map(({ path }) => path);
  expect(await listed()).toEqual([pathOf(2), pathOf(1), pathOf(0)]);

  days = 3;
  await setting.scheduler.run('dated destination');
  await expect.poll(() => database.replicas[0]?.settings.store.path).toBe(pathOf(3));
  await setting.scheduler.run('dated destination');
  // Files carry the real time, which is that of the first day for all of them.
  expect(await listed()).toEqual([pathOf(3)]);
  expect(existsSync(setting.at('backups', at(0)))).toBe(false);
  expect(existsSync(setting.at('backups', 'latest', 'app', 'note'))).toBe(true);
  expect(await restored(app, pathOf(3))).toBe(await app.digest());
});

test('a new destination that cannot be written leaves the old one in use, says so, and is tried again', async () => {
  const app = await setting.application();
  const { database } = await setting.start({ ...setting.entry([]), replicas: [daily()] });
  await becomes(database, 'replicating');
  await app.exec("INSERT INTO t (body) VALUES ('x')");
  await settled(database);
  days = 1;
  writeFileSync(setting.at('backups', at(1)), 'a file in the way');
  await setting.scheduler.run('dated destination');
  await expect.poll(() => setting.messages('error').join()).toMatch(/could not go on at its new destination/);
  await app.exec("INSERT INTO t (body) VALUES ('y')");
  await settled(database);
  expect(await restored(app, pathOf(0))).toBe(await app.digest());
});
