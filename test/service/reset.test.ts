/** The local state begun anew in a running service, asked for or by itself. */

import { existsSync, readdirSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ManagedDatabase } from '../../src/service/managed-database.ts';
import type { App } from '../support/app-process.ts';
import { becomes, Setting, settled } from './setting.ts';

let setting: Setting;
let app: App;
beforeEach(async () => {
  setting = new Setting();
  app = await setting.application();
});
afterEach(() => setting.end());

const insert = (text = 'x') => app.exec(`INSERT INTO t (body) VALUES ('${text}')`);
const soon = { timeout: 60_000, interval: 20 };
const localDirectory = () => setting.at('.app.db-litestream', 'ltx', '0');

async function running(entry = setting.entry()): Promise<ManagedDatabase> {
  await insert();
  const { database } = await setting.start(entry);
  await becomes(database, 'replicating');
  await settled(database);
  return database;
}

async function expectRestored(replica = 'one'): Promise<void> {
  expect(await setting.restoredDigest(app, replica)).toBe(await app.digest());
}

describe('reset', () => {
  test('H2: goes on behind the maximum of the replica, at once, and the old history stays', async () => {
    const database = await running();
    for (let i = 0; i < 3; i++) {
      await insert();
      await settled(database);
    }
    const before = await setting.remote('one').txids();
    const newest = Math.max(...before);
    const { floor, keptIn } = await database.reset('test');
    expect(floor).toBe(BigInt(newest));
    expect(existsSync(keptIn ?? '')).toBe(true);
    await insert();
    await settled(database);
    const after = await setting.remote('one').txids();
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after).toContain(newest + 1);
    await becomes(database, 'replicating');
    await expectRestored();
  });

  test('while changes wait that the replica does not have carries it over the hole with a snapshot', async () => {
    const database = await running();
    setting.remote('one').cut('put');
    await insert();
    await database.sync({ wait: false });
    await insert();
    await database.sync({ wait: false });
    await database.reset('test');
    setting.remote('one').heal();
    await insert();
    await expect
      .poll(
        async () => (await database.sync({ wait: true, signal: AbortSignal.timeout(15_000) }).catch(() => undefined)) !== undefined,
        soon,
      )
      .toBe(true);
    await becomes(database, 'replicating');
    await expectRestored();
    expect(await setting.remote('one').txids(9)).not.toEqual([]);
  });

  test('is refused, with nothing touched, while a replica does not say what it holds', async () => {
    const database = await running();
    const before = readdirSync(localDirectory());
    setting.remote('one').cut('list');
    await expect(database.reset('test')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(readdirSync(localDirectory())).toEqual(before);
    setting.remote('one').heal();
    await insert();
    await settled(database);
    await expectRestored();
  });

  test('accepts a destination that was emptied on purpose', async () => {
    const database = await running();
    await insert();
    await settled(database);
    await rm(join(setting.remote('one').path, 'ltx'), { recursive: true });
    database.replicas[0]?.retryNow();
    await insert();
    await expect.poll(() => database.replicas[0]?.status().lastError?.error.code, soon).toBe('POSITION_MISMATCH');
    expect(database.replicas[0]?.status().lastError?.error.hint).toContain('litestream reset');
    await database.reset('test');
    await becomes(database, 'replicating');
    await settled(database);
    await expectRestored();
  });

  test('many at once, during writes and uploads, lose nothing (row 37)', async () => {
    const database = await running(setting.entry(['one', 'two']));
    for (let i = 0; i < 4; i++) {
      await insert();
      await Promise.all([
        database.reset('test').catch((error: unknown) => expect(error).toMatchObject({ disposition: 'retry' })),
        database.sync({ wait: false }).catch(() => undefined),
        database.reset('test').catch((error: unknown) => expect(error).toMatchObject({ disposition: 'retry' })),
        insert(),
      ]);
    }
    await insert();
    await expect
      .poll(
        async () => (await database.sync({ wait: true, signal: AbortSignal.timeout(15_000) }).catch(() => undefined)) !== undefined,
        soon,
      )
      .toBe(true);
    for (const name of ['one', 'two']) await expectRestored(name);
  });
});

describe('damaged local files', () => {
  /** Two files that wait for the replica, the first of them treated by `damage`. */
  async function withDamage(autoRecover: boolean, damage: (path: string) => Promise<void>): Promise<ManagedDatabase> {
    const database = await running(setting.entry(['one'], { settings: setting.settings('app', { autoRecover }) }));
    setting.remote('one').cut('put');
    await insert();
    await database.sync({ wait: false });
    const [waiting = ''] = readdirSync(localDirectory()).sort().slice(-1);
    await insert();
    await database.sync({ wait: false });
    const error = () => database.replicas[0]?.status().lastError?.error.code;
    await expect.poll(error, soon).toBe('STORAGE_UNAVAILABLE');
    await damage(join(localDirectory(), waiting));
    // What was read before the damage may still be on its way: healed only when the damage was seen.
    database.replicas[0]?.retryNow();
    await expect.poll(() => setting.uploadFailures.some((code) => code.startsWith('LTX_')), soon).toBe(true);
    setting.remote('one').heal();
    database.replicas[0]?.retryNow();
    return database;
  }

  const kinds = {
    missing: (path: string) => rm(path),
    'cut short': async (path: string) => writeFile(path, (await readFile(path)).subarray(0, 50)),
    'changed in one byte': async (path: string) => {
      const bytes = await readFile(path);
      bytes[160] = (bytes[160] ?? 0) ^ 1;
      await writeFile(path, bytes);
    },
    'another file': (path: string) => writeFile(path, Buffer.alloc(500, 1)),
  };
  for (const [kind, damage] of Object.entries(kinds)) {
    test(`${kind}, without auto-recover: bridged by a snapshot, the local log stays (row 41)`, async () => {
      const database = await withDamage(false, damage);
      await expect.poll(() => setting.remote('one').txids(9), soon).not.toEqual([]);
      await becomes(database, 'replicating');
      await settled(database);
      await expectRestored();
      expect(existsSync(setting.at('.app.db-litestream', 'aside'))).toBe(false);
    });

    test(`${kind}, with auto-recover: the local state is begun anew once, loudly, and the replica advances (row 42)`, async () => {
      const database = await withDamage(true, damage);
      const told = () => setting.messages('error').filter((message) => message.includes('auto-recover'));
      await expect.poll(() => told().length, soon).toBe(1);
      await expect.poll(() => setting.messages('warn').filter((message) => message.includes('begun anew')).length, soon).toBe(1);
      await insert('after');
      await expect
        .poll(
          async () => (await database.sync({ wait: true, signal: AbortSignal.timeout(15_000) }).catch(() => undefined)) !== undefined,
          soon,
        )
        .toBe(true);
      await becomes(database, 'replicating');
      await expectRestored();
      expect(told()).toHaveLength(1);
    });
  }

  test('what cannot be opened for a while wipes nothing (row 41)', async () => {
    const database = await running(setting.entry(['one'], { settings: setting.settings('app', { autoRecover: true }) }));
    setting.remote('one').cut('put');
    await insert();
    await database.sync({ wait: false });
    const [waiting = ''] = readdirSync(localDirectory()).sort().slice(-1);
    const path = join(localDirectory(), waiting);
    const bytes = await readFile(path);
    // A link to itself: every opening fails with ELOOP, also for the superuser, whom permissions do not stop.
    const { symlink } = await import('node:fs/promises');
    await rm(path);
    await symlink(path, path);
    database.replicas[0]?.retryNow();
    // What was read before may still be on its way: healed only when the file has been looked at.
    await expect.poll(() => JSON.stringify(database.replicas[0]?.status().lastError ?? ''), soon).toContain('ELOOP');
    setting.remote('one').heal();
    database.replicas[0]?.retryNow();
    await expect.poll(() => database.replicas[0]?.status().lastError?.error.code, soon).toBe('STORAGE_UNAVAILABLE');
    expect(setting.messages().filter((message) => message.includes('anew'))).toEqual([]);
    await rm(path);
    await writeFile(path, bytes);
    database.replicas[0]?.retryNow();
    await settled(database);
    await expectRestored();
  });
});
