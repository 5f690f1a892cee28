import { existsSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { countRequests } from '../../src/compose/requests.ts';
import { restoreMissing } from '../../src/compose/restore-missing.ts';
import { Metrics } from '../../src/service/metrics/metrics.ts';
import { App } from '../support/app-process.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

const requests = countRequests(new Metrics('test'));

let setting: Setting;

beforeEach(() => {
  setting = new Setting();
  setting.restoreMissing = (entry, signal) => restoreMissing(entry, { log: setting.log, requests, signal });
});

afterEach(() => setting.end());

const wanted = (...replicas: string[]) => setting.entry(replicas, { restoreIfMissing: true });

function removeDatabase(): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(setting.at(`app.db${suffix}`), { force: true });
}

/** A database with a history at `replicas`; returns its digest. The file and everything local are gone afterwards. */
async function lostDatabase(...replicas: string[]): Promise<string> {
  const app = await setting.application();
  const { service, database } = await setting.start(setting.entry(replicas));
  await becomes(database, 'replicating');
  await app.exec("INSERT INTO t (body) VALUES ('kept')");
  await settled(database);
  await service.stop(STOP);
  const digest = await app.digest();
  await app.stop();
  removeDatabase();
  rmSync(setting.at('.app.db-litestream'), { recursive: true });
  return digest;
}

async function digest(): Promise<string> {
  const app = await App.start(setting.at('app.db'));
  try {
    await app.open();
    return await app.digest();
  } finally {
    await app.stop();
  }
}

test('a missing database is restored from the replica that has most, and its history goes on', async () => {
  const before = await lostDatabase('one');
  const { database } = await setting.start(wanted('empty', 'one'));
  await becomes(database, 'replicating');
  expect(await digest()).toBe(before);
  await settled(database);
  const txids = await setting.remote('one').txids();
  expect(txids).toEqual(txids.map((_, index) => index + 1));
  expect(setting.messages('info')).toContain('restored the missing database');
});

test('an existing database is left alone', async () => {
  await lostDatabase('one');
  const app = await setting.application();
  const before = await app.digest();
  const { database } = await setting.start(wanted('one'));
  await becomes(database, 'replicating');
  await settled(database);
  expect(await app.digest()).toBe(before);
  expect(setting.messages('info')).not.toContain('restored the missing database');
  // It is another history than the one at the replica, and follows it.
  expect(await setting.restoredDigest(app)).toBe(before);
});

test('with nothing to restore it waits for the database and begins at TXID 1', async () => {
  const { database } = await setting.start(wanted('one'));
  await becomes(database, 'waiting');
  expect(existsSync(setting.at('app.db'))).toBe(false);
  await setting.application();
  await becomes(database, 'replicating');
  await settled(database);
  expect((await setting.remote('one').txids())[0]).toBe(1);
});

test('a replica that cannot be asked is asked again, and nothing begins meanwhile', async () => {
  const before = await lostDatabase('one');
  let asked = 0;
  const seen = Promise.withResolvers<void>();
  setting.restoreMissing = async (entry, signal) => {
    asked += 1;
    if (asked > 1) return seen.promise.then(() => restoreMissing(entry, { log: setting.log, requests, signal }));
    // A file where the replica's directory was: it cannot be listed.
    const broken = setting.at('in-the-way');
    writeFileSync(broken, '');
    const replicas = entry.replicas.map((replica) => ({ ...replica, store: { type: 'file', path: broken } as const }));
    return restoreMissing({ ...entry, replicas }, { log: setting.log, requests, signal });
  };
  const { database } = await setting.start(wanted('one'));
  await becomes(database, 'failing');
  expect((await database.status()).error?.code).toBeDefined();
  expect(existsSync(setting.at('app.db'))).toBe(false);
  seen.resolve();
  await becomes(database, 'replicating');
  expect(asked).toBe(2);
  expect(await digest()).toBe(before);
});

test('what was captured and not uploaded before the file was lost is part of what is restored', async () => {
  const app = await setting.application();
  const { service, database } = await setting.start();
  await becomes(database, 'replicating');
  await settled(database);
  setting.remote('one').cut('put');
  await app.exec("INSERT INTO t (body) VALUES ('only in the local log')");
  await database.sync({ wait: false });
  await service.stop({ ...STOP, signal: AbortSignal.abort() });
  const before = await app.digest();
  await app.stop();
  removeDatabase();
  setting.remote('one').heal();
  const again = await setting.start(wanted('one'));
  await becomes(again.database, 'replicating');
  expect(await digest()).toBe(before);
});

test('beside a left-over WAL nothing is restored and nobody is told that all is well', async () => {
  await lostDatabase('one');
  writeFileSync(setting.at('app.db-wal'), 'left over');
  const { database } = await setting.start(wanted('one'));
  await becomes(database, 'failing');
  expect((await database.status()).error).toMatchObject({ code: 'OUTPUT_EXISTS', message: expect.stringContaining('app.db-wal') });
  expect(existsSync(setting.at('app.db'))).toBe(false);
  rmSync(setting.at('app.db-wal'));
  await becomes(database, 'replicating');
});

test('a best-effort replica that cannot be asked does not keep a database from coming back', async () => {
  const before = await lostDatabase('one');
  writeFileSync(setting.at('remote', 'extra'), 'not a directory');
  const entry = wanted('one', 'extra');
  const replicas = entry.replicas.map((replica) => ({ ...replica, ...(replica.name === 'extra' ? { role: 'best-effort' as const } : {}) }));
  const { database } = await setting.start({ ...entry, replicas });
  await expect.poll(() => existsSync(setting.at('app.db'))).toBe(true);
  expect(setting.messages('warn')).toContain('a best-effort replica cannot be asked; restoring without it');
  expect(await digest()).toBe(before);
  // The engine waits for it a while longer, because it has no local files.
  expect((await database.status()).state).not.toBe('failing');
});

test('a file that is damaged at the chosen replica is taken from the other one', async () => {
  const before = await lostDatabase('one', 'two');
  const directory = setting.at('remote', 'one', 'ltx', '0');
  const newest = readdirSync(directory).sort().at(-1) ?? '';
  truncateSync(join(directory, newest), statSync(join(directory, newest)).size - 10);
  const { database } = await setting.start(wanted('one', 'two'));
  await becomes(database, 'replicating');
  expect(await digest()).toBe(before);
});
