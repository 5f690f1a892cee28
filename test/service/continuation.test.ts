/** What becomes of a replica when the database, the machine or the path behind it changes: each case has one answer, and no moment is lost. */

import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RestoreTarget } from '../../src/engine/restore/target.ts';
import { readLTXFileHeader } from '../../src/formats/ltx/file.ts';
import { formatLTXName } from '../../src/formats/ltx/filename.ts';
import { type TXID, toTXID } from '../../src/formats/ltx/txid.ts';
import type { ManagedDatabase } from '../../src/service/managed-database.ts';
import type { Replication } from '../../src/service/replication.ts';
import { runJob } from '../../src/workers/job-host.ts';
import type { App } from '../support/app-process.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

let setting: Setting;
let app: App;
/** Digest of the database at each TXID that was noted. */
let moments: Map<TXID, string>;
beforeEach(async () => {
  setting = new Setting();
  app = await setting.application();
  moments = new Map();
});
afterEach(() => setting.end());

const soon = { timeout: 30_000, interval: 20 };
const insert = (text: string, to = app) => to.exec(`INSERT INTO t (body) VALUES ('${text}')`);
const warned = (text: string) => setting.messages('warn').filter((message) => message.includes(text)).length;

/** Replicated up to now, and noted. */
async function note(database: ManagedDatabase, by = app): Promise<TXID> {
  await becomes(database, 'replicating');
  await settled(database);
  const txid = (await database.status()).replicas[0]?.txid ?? toTXID(0);
  moments.set(txid, await by.digest());
  return txid;
}

async function start(): Promise<{ service: Replication; database: ManagedDatabase }> {
  const { service, database } = await setting.start();
  return { service, database };
}

async function digestAt(target: RestoreTarget, by: App): Promise<string> {
  const output = setting.at(`at-${Math.random().toString(36).slice(2)}.db`);
  await runJob('restore', { store: { type: 'file', path: setting.remote('one').path }, target, output, integrity: 'quick' });
  return by.digestFile(output);
}

/** Every noted moment restores, and level 0 is one run. */
async function expectAllRestore(by = app): Promise<void> {
  for (const [txid, digest] of moments) expect(await digestAt({ type: 'txid', txid }, by), `TXID ${txid}`).toBe(digest);
  const txids = await setting.remote('one').txids();
  expect(txids).toEqual(txids.map((_, i) => i + 1));
}

/** A first life of the database with some history. */
async function firstLife(): Promise<void> {
  const { service, database } = await start();
  for (const text of ['one', 'two', 'three']) {
    await insert(text);
    await note(database);
  }
  await service.stop(STOP);
}

const metaPath = () => setting.at('.app.db-litestream');
const pageSizeAt = (txid: TXID): number =>
  readLTXFileHeader(join(setting.remote('one').path, 'ltx', '0', formatLTXName({ minTXID: txid, maxTXID: txid }))).pageSize;

/** Leaves the database file in the care of nobody, then `work`s on it. */
async function whileNobodyHasIt(work: () => Promise<void>): Promise<void> {
  await app.close();
  await work();
}

describe('while we do not run', () => {
  test('#781: database behind replica, restored on a new machine: goes on behind the replica (row 40)', async () => {
    await firstLife();
    const [first = toTXID(1)] = moments.keys();
    await app.stop();
    for (const path of ['app.db', 'app.db-wal', 'app.db-shm']) await rm(setting.at(path), { force: true });
    await rm(metaPath(), { recursive: true });
    const store = { type: 'file', path: setting.remote('one').path } as const;
    await runJob('restore', { store, target: { type: 'txid', txid: first }, output: setting.at('app.db'), integrity: 'quick' });
    app = await setting.application();
    const { database } = await start();
    await insert('on the new machine');
    await note(database);
    await expectAllRestore();
    expect(warned('does not know')).toBe(1);
  });

  test('restored from outside: an older state in the same place is followed by a full file', async () => {
    const { service, database } = await start();
    await insert('old');
    await note(database);
    await app.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    await app.exec(`VACUUM INTO '${setting.at('older.db')}'`);
    await insert('newer');
    await note(database);
    await service.stop(STOP);
    await whileNobodyHasIt(async () => {
      await rm(setting.at('app.db-wal'), { force: true });
      await rm(setting.at('app.db-shm'), { force: true });
      await rename(setting.at('older.db'), setting.at('app.db'));
    });
    await app.exec('PRAGMA journal_mode = WAL');
    await insert('after the restore');
    const again = await start();
    await note(again.database);
    await expectAllRestore();
  });

  test('replaced by another database, with another page size: full file, a snapshot at once, no moment lost', async () => {
    await firstLife();
    const newest = Math.max(...(await setting.remote('one').txids()));
    await whileNobodyHasIt(async () => {
      await app.exec(
        `ATTACH '${setting.at('other.db')}' AS o; PRAGMA o.page_size = 1024; CREATE TABLE o.t (id INTEGER PRIMARY KEY, body TEXT); DETACH o`,
        'maker',
      );
      await app.close();
      for (const path of ['app.db-wal', 'app.db-shm']) await rm(setting.at(path), { force: true });
      await rename(setting.at('other.db'), setting.at('app.db'));
    });
    await app.exec('PRAGMA journal_mode = WAL');
    await insert('another database');
    const { database } = await start();
    await note(database);
    expect(pageSizeAt(toTXID(newest + 1))).toBe(1024);
    await expect.poll(() => setting.remote('one').txids(9), soon).not.toEqual([]);
    await insert('and on');
    await note(database);
    await expectAllRestore();
    expect(warned('page size of the database has changed')).toBe(1);
  });

  test('page size changed: full file, a snapshot at once', async () => {
    await firstLife();
    await app.exec('PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL');
    await insert('larger pages');
    const { database } = await start();
    const txid = await note(database);
    expect(pageSizeAt(txid)).toBe(8192);
    await expect.poll(() => setting.remote('one').txids(9), soon).not.toEqual([]);
    await expectAllRestore();
  });

  test('metadata directory lost: goes on behind the replica', async () => {
    await firstLife();
    await rm(metaPath(), { recursive: true });
    await insert('after the loss');
    const { database } = await start();
    await note(database);
    await expectAllRestore();
    expect(warned('does not know')).toBe(1);
  });

  test('replica path reused for another database: continued, told once, the other one restores from before', async () => {
    await firstLife();
    const other = await setting.application('other');
    await insert('another database on the same path', other);
    const { database } = await setting.start(setting.entry(['one'], { settings: setting.settings('other') }));
    await note(database, other);
    await insert('more', other);
    await note(database, other);
    await expectAllRestore(other);
    expect(warned('does not know')).toBe(1);
  });

  test('untouched: nothing is told and no full file is written', async () => {
    await firstLife();
    await insert('as before');
    const before = setting.events.length;
    const { database } = await start();
    await note(database);
    await expectAllRestore();
    expect(warned('does not know')).toBe(0);
    expect(setting.events.slice(before).filter(({ event }) => event.type === 'synced' && event.fullReason !== undefined)).toEqual([]);
  });
});

describe('while we run', () => {
  test('restored from outside: a file swapped under the daemon is followed by a full file', async () => {
    const { database } = await start();
    await insert('old');
    await note(database);
    await app.exec(`VACUUM INTO '${setting.at('older.db')}'`);
    await insert('newer');
    await note(database);
    await whileNobodyHasIt(async () => {
      await rm(setting.at('app.db-wal'), { force: true });
      await rm(setting.at('app.db-shm'), { force: true });
      await rename(setting.at('older.db'), setting.at('app.db'));
    });
    await app.exec('PRAGMA journal_mode = WAL');
    await insert('after the swap');
    await expect.poll(async () => (await setting.restoredDigest(app)) === (await app.digest()), soon).toBe(true);
    await note(database);
    await expectAllRestore();
  });

  test('replaced by another database with another page size: full file, a snapshot, no moment lost', async () => {
    const { database } = await start();
    await insert('the first database');
    await note(database);
    await app.exec(
      `ATTACH '${setting.at('other.db')}' AS o; PRAGMA o.page_size = 1024; CREATE TABLE o.t (id INTEGER PRIMARY KEY, body TEXT); DETACH o`,
      'maker',
    );
    await whileNobodyHasIt(async () => {
      for (const path of ['app.db-wal', 'app.db-shm']) await rm(setting.at(path), { force: true });
      await rename(setting.at('other.db'), setting.at('app.db'));
    });
    await app.exec('PRAGMA journal_mode = WAL');
    await insert('the second database');
    await expect.poll(async () => (await setting.restoredDigest(app)) === (await app.digest()), soon).toBe(true);
    await expect.poll(() => setting.remote('one').txids(9), soon).not.toEqual([]);
    await note(database);
    await expectAllRestore();
  });

  test('metadata directory lost: goes on behind the replica, without a second writer being suspected', async () => {
    const { database } = await start();
    await insert('before');
    await note(database);
    await rm(metaPath(), { recursive: true });
    await insert('after the loss');
    // The owner looks for its lock every few seconds.
    await expect.poll(async () => (await setting.restoredDigest(app)) === (await app.digest()), soon).toBe(true);
    await note(database);
    await expectAllRestore();
    expect(setting.uploadFailures).not.toContain('SECOND_WRITER');
  });

  test('levels of the replica removed: told with the way out, which a reset is', async () => {
    const { database } = await start();
    await insert('before');
    await note(database);
    await rm(join(setting.remote('one').path, 'ltx'), { recursive: true });
    database.replicas[0]?.retryNow();
    await expect.poll(() => database.replicas[0]?.status().lastError?.error.code, soon).toBe('POSITION_MISMATCH');
    expect(database.replicas[0]?.status().lastError?.error.hint).toContain('litestream reset');
    await database.reset('test');
    await becomes(database, 'replicating');
    await settled(database);
    expect(await setting.restoredDigest(app)).toBe(await app.digest());
  });
});
