import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { LitestreamError } from '../../src/base/errors.ts';
import { layoutFor } from '../../src/replica/layout.ts';
import { Replica } from '../../src/replica/replica.ts';
import { endAbandoned } from '../../src/service/companions/abandoned-uploads.ts';
import type { ManagedDatabase } from '../../src/service/managed-database.ts';
import { FileStore } from '../../src/storage/file/file.ts';
import type { FileStoreSpec } from '../../src/storage/spec.ts';
import type { App } from '../support/app-process.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

const HOUR = 3_600_000;
const WORK = 'abandoned uploads of app/one';

/** A store at which uploads are left. */
class LeavingStore extends FileStore {
  async endAbandoned(): Promise<number> {
    asked += 1;
    if (failure !== undefined) throw failure;
    return 2;
  }
}

let setting: Setting;
let app: App;
let asked = 0;
let failure: LitestreamError | undefined;
let aheadMs = 0;

beforeEach(async () => {
  [asked, failure, aheadMs] = [0, undefined, 0];
  setting = new Setting();
  setting.companions = [endAbandoned];
  setting.clock = {
    now: () => systemClock.now() + aheadMs,
    monotonic: () => systemClock.monotonic(),
    sleep: (ms, options) => systemClock.sleep(ms, options),
  };
  setting.openReplica = async ({ store }) => new Replica(new LeavingStore(store as FileStoreSpec), layoutFor('file'));
  app = await setting.application();
});
afterEach(() => setting.end());

async function begin() {
  const { service, database } = await setting.start();
  await becomes(database, 'replicating');
  return { service, database };
}

async function write(database: ManagedDatabase): Promise<void> {
  await app.exec("INSERT INTO t (body) VALUES ('more')");
  await settled(database);
}

const look = () => setting.scheduler.run(WORK);

test('they are ended once a day while something is sent, and nobody asks while nothing is', async () => {
  const { database } = await begin();
  await write(database);
  await look();
  expect(asked).toBe(1);
  expect(setting.lines).toContainEqual(
    expect.objectContaining({
      level: 'info',
      message: 'uploads that a killed process had left were ended',
      fields: expect.objectContaining({ uploads: 2 }),
    }),
  );
  await write(database);
  await look();
  expect(asked).toBe(1);
  aheadMs += 24 * HOUR;
  await look();
  expect(asked).toBe(2);
  aheadMs += 24 * HOUR;
  await look();
  expect(asked).toBe(2);
  await write(database);
  await look();
  expect(asked).toBe(3);
});

test('a process that starts again asks again after a day, whatever was sent', async () => {
  for (const [after, times] of [
    [0, 1],
    [2 * HOUR, 1],
    [24 * HOUR, 2],
  ] as const) {
    aheadMs += after;
    const { service } = await begin();
    await look();
    expect(asked).toBe(times);
    await service.stop(STOP);
  }
});

test.each([
  ['ACCESS_DENIED', 1],
  ['STORAGE_UNAVAILABLE', 2],
] as const)('%s says nothing to anybody; the next process asks %d times in all that day', async (code, times) => {
  failure = new LitestreamError(code, 'the test says no');
  for (let i = 0; i < 2; i++) {
    const { service } = await begin();
    await look();
    await service.stop(STOP);
  }
  expect(asked).toBe(times);
  expect(setting.lines.filter(({ level, message }) => level !== 'debug' && /upload/.test(message))).toEqual([]);
});

test('a store that keeps no parts of uploads costs nothing', async () => {
  setting.openReplica = async ({ store }) => new Replica(new FileStore(store as FileStoreSpec), layoutFor('file'));
  await begin();
  expect(setting.scheduler.names).not.toContain(WORK);
});
