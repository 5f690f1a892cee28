import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { openDatabaseEngine } from '../../src/engine/db/database.ts';
import { readLTXFileHeader } from '../../src/formats/ltx/file.ts';
import { checkHealth } from '../../src/service/health.ts';
import type { ManagedDatabase } from '../../src/service/managed-database.ts';
import { proofCompanion } from '../../src/service/proof/companion.ts';
import { ProofLedgers } from '../../src/service/proof/ledger.ts';
import type { App } from '../support/app-process.ts';
import { describeWithMounts, Mounts } from '../support/mounts.ts';
import { becomes, Setting, settled } from './setting.ts';

let setting: Setting;
let app: App;
let mounts: Mounts;

beforeEach(async () => {
  setting = new Setting();
  mounts = new Mounts();
  app = await setting.application();
});

afterEach(async () => {
  for (const remote of [setting.remote('one')]) remote.heal();
  mounts.release();
  await setting.end();
});

const meta = (): string => setting.settings().metaPath;
/** Bytes that do not compress. */
const insert = (kib = 4): Promise<void> => app.exec(`INSERT INTO t (body) VALUES (randomblob(${kib * 1024}))`);

async function started(): Promise<ManagedDatabase> {
  const { database } = await setting.start();
  await becomes(database, 'replicating');
  return database;
}

/** The application goes on, whatever the replication does: each commit is timed. The longest may have met a pause of the machine. */
async function writesGoOn(): Promise<void> {
  const took: number[] = [];
  for (let count = 0; count < 10; count++) {
    const start = performance.now();
    await insert(100);
    took.push(performance.now() - start);
  }
  expect(took.sort((a, b) => a - b).at(-2)).toBeLessThan(4500);
}

/** Everything is at the replica, as the application has it. */
async function catchesUp(database: ManagedDatabase): Promise<void> {
  await becomes(database, 'replicating');
  await settled(database);
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
}

const replicaOf = async (database: ManagedDatabase) => (await database.status()).replicas[0];

describeWithMounts('a full disk', () => {
  test('beside the database is a state with a name; the application goes on, and so does replication when there is space', async () => {
    mounts.small(meta(), '2m');
    const database = await started();
    await writesGoOn();
    for (let count = 0; count < 6; count++) await insert(500);
    await becomes(database, 'failing');
    const { error, unprotectedSeconds } = await database.status();
    expect(error).toMatchObject({ code: 'DISK_FULL' });
    expect(unprotectedSeconds).toBeGreaterThan(0);
    expect(setting.lines.some(({ level, fields }) => level === 'error' && fields.code === 'DISK_FULL')).toBe(true);
    expect(setting.events.some(({ event }) => event.type === 'pass' && event.diskFull)).toBe(true);
    expect(await checkHealth([database])).toMatchObject({ status: 'failing', databases: [{ code: 'DISK_FULL' }] });
    await writesGoOn();
    // Nothing of an attempt stays when it is over.
    await expect.poll(() => readdirSync(join(meta(), 'ltx', '0')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    mounts.grow(meta(), '64m');
    await catchesUp(database);
    expect(setting.events.findLast(({ event }) => event.type === 'pass')?.event).toMatchObject({ diskFull: false });
  });

  test('at the replica is told by that replica, and uploads go on within one back-off when there is space', async () => {
    mounts.small(setting.remote('one').path, '1m');
    const database = await started();
    for (let count = 0; count < 4; count++) await insert(500);
    await becomes(database, 'failing');
    const replica = await replicaOf(database);
    expect(replica).toMatchObject({ state: 'failing', lastError: { error: { code: 'DISK_FULL' }, nextTryAt: expect.any(Number) } });
    expect((await database.status()).engine.state).toBe('replicating');
    await writesGoOn();
    expect((await replicaOf(database))?.lagSeconds).toBeGreaterThan(0);
    mounts.grow(setting.remote('one').path, '64m');
    await catchesUp(database);
  });

  test('leaves no room for a verification: it is inconclusive, says why, and leaves nothing behind', async () => {
    mounts.small(meta(), '4m');
    setting.companions = [proofCompanion(new ProofLedgers(systemClock, setting.log, '1'))];
    const entry = setting.entry();
    const { database } = await setting.start({ ...entry, replicas: entry.replicas.map((one) => ({ ...one, proofIntervalMs: 1000 })) });
    await becomes(database, 'replicating');
    await insert();
    await settled(database);
    await setting.scheduler.run('proof of app/one');
    expect((await replicaOf(database))?.proof).toMatchObject({
      outcome: 'inconclusive',
      reasons: [expect.stringMatching(/^There is no room for a copy to check: .* bytes are needed/)],
    });
    expect(readdirSync(meta()).filter((name) => name.startsWith('snapshot-'))).toEqual([]);
    await becomes(database, 'replicating');
  });
});

describeWithMounts('what may not be written any more', () => {
  test('a metadata directory that is read-only at the start is refused with a name, until it is not', async () => {
    mounts.small(meta(), '16m');
    mounts.forbidWrites(meta());
    const { database } = await setting.start();
    await becomes(database, 'failing');
    expect((await database.status()).error).toMatchObject({ code: 'ACCESS_DENIED', hint: expect.any(String) });
    await writesGoOn();
    mounts.allowWrites(meta());
    await catchesUp(database);
  });

  test('local files that cannot be written at runtime are a state with a name, until they can', async () => {
    const database = await started();
    await insert();
    await settled(database);
    mounts.forbidWrites(join(meta(), 'ltx', '0'));
    await insert();
    await becomes(database, 'failing');
    expect((await database.status()).error).toMatchObject({ code: 'ACCESS_DENIED' });
    await writesGoOn();
    mounts.allowWrites(join(meta(), 'ltx', '0'));
    await catchesUp(database);
  });

  test('a replica that loses its permission is refused, tried again every five minutes, and at once when somebody asks', async () => {
    const database = await started();
    await insert();
    await settled(database);
    mounts.forbidWrites(setting.remote('one').path);
    await insert();
    await becomes(database, 'failing');
    const failure = (await replicaOf(database))?.lastError;
    expect(failure).toMatchObject({
      error: {
        code: 'ACCESS_DENIED',
        hint: expect.stringMatching(/read-only.* It is tried again every 5 minutes, at once with `litestream sync -wait`\.$/),
      },
    });
    expect((failure?.nextTryAt ?? 0) - (failure?.at ?? 0)).toBeLessThanOrEqual(300_000);
    await writesGoOn();
    mounts.allowWrites(setting.remote('one').path);
    database.replicas[0]?.retryNow();
    await catchesUp(database);
  });
});

test('a file where the metadata directory belongs is a state with a name, until it is gone', async () => {
  writeFileSync(meta(), '');
  const { database } = await setting.start();
  await becomes(database, 'failing');
  expect((await database.status()).error?.message).toContain(meta());
  await writesGoOn();
  rmSync(meta());
  await catchesUp(database);
});

test('a wall clock that jumps back and forth leaves times in files growing, lag without a sign, and nothing late', async () => {
  let shift = 0;
  const clock = { ...systemClock, now: () => Date.now() + shift };
  setting.openEngine = (settings, { floor }, { onEvent }) => openDatabaseEngine(settings, { clock, log: setting.log, floor, onEvent });
  const database = await started();
  const states = new Set<string>();
  for (const hours of [0, 5, -7, 1, 0]) {
    shift = hours * 3_600_000;
    await insert();
    await settled(database);
    const { state, unprotectedSeconds } = await database.status();
    states.add(state);
    expect(unprotectedSeconds).toBeGreaterThanOrEqual(0);
    await expect.poll(async () => (await replicaOf(database))?.lagSeconds).toBe(0);
  }
  expect([...states]).toEqual(['replicating']);
  const directory = join(setting.remote('one').path, 'ltx', '0');
  const times = readdirSync(directory)
    .sort()
    .map((name) => readLTXFileHeader(join(directory, name)).timestamp);
  expect(times.every((time, index) => index === 0 || time > (times[index - 1] ?? 0))).toBe(true);
  await catchesUp(database);
});
