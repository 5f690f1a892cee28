/** What cannot be read is told, counted, and taken up again by itself when it can. */

import { copyFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkHealth } from '../../src/service/health.ts';
import { Metrics } from '../../src/service/metrics/metrics.ts';
import { textOf } from '../support/exposition.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

let setting: Setting;
beforeEach(() => {
  setting = new Setting();
});
afterEach(() => setting.end());

const localDirectory = () => setting.at('.app.db-litestream', 'ltx', '0');

/** A link to itself cannot be opened by anybody, also not by the superuser, whom permissions do not stop. Returns the repair; at no moment is there no file. */
function makeUnreadable(path: string): () => void {
  const aside = setting.at('aside.ltx');
  copyFileSync(path, aside);
  symlinkSync(basename(path), `${path}.link`);
  renameSync(`${path}.link`, path);
  return () => renameSync(aside, path);
}

const newestLocal = (): string => join(localDirectory(), readdirSync(localDirectory()).sort().at(-1) ?? '');

test('a database that cannot be opened is counted, logged and unhealthy, and replicated as soon as it can be (row 8)', async () => {
  writeFileSync(setting.at('app.db'), Buffer.alloc(8192, 'this is no database '));
  const metrics = new Metrics('test');
  const { service, database } = await setting.start();
  await becomes(database, 'failing');
  const scrape = async () => {
    for (const { path, event } of setting.events.splice(0)) metrics.engineEvent(path, event);
    return textOf(metrics, service.databases);
  };
  const series = async (name: string) =>
    Number(
      (await scrape())
        .split('\n')
        .find((line) => line.startsWith(`${name}{`) && line.includes('app.db'))
        ?.split(' ')
        .at(-1),
    );
  expect(await series('litestream_sync_error_count')).toBeGreaterThan(0);
  const { error } = await database.status();
  expect(error).toMatchObject({ code: 'DB_INVALID', message: expect.stringContaining('app.db'), hint: expect.any(String) });
  expect(setting.told('DB_INVALID').filter(({ level }) => level === 'error')).toHaveLength(1);
  expect(await checkHealth(service.databases)).toMatchObject({ status: 'failing', databases: [{ code: 'DB_INVALID' }] });
  // It goes on being tried, and counted.
  const before = await series('litestream_sync_error_count');
  await expect.poll(() => series('litestream_sync_error_count')).toBeGreaterThan(before);
  rmSync(setting.at('app.db'));
  const app = await setting.application();
  await becomes(database, 'replicating');
  await settled(database);
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
  expect(await checkHealth(service.databases)).toMatchObject({ status: 'ok' });
});

test('a newest local file that cannot be read at the start keeps the position unknown until it can, and costs no full file (row 50)', async () => {
  const app = await setting.application();
  const first = await setting.start();
  await becomes(first.database, 'replicating');
  for (let i = 0; i < 3; i++) {
    await app.exec("INSERT INTO t (body) VALUES ('x')");
    await settled(first.database);
  }
  await first.service.stop(STOP);
  setting.events.length = 0;
  const repair = makeUnreadable(newestLocal());
  const { database } = await setting.start();
  await becomes(database, 'failing');
  await app.exec("INSERT INTO t (body) VALUES ('while it cannot be read')");
  expect((await database.status()).error?.message).toContain('.ltx');
  repair();
  // Nobody tells it.
  await becomes(database, 'replicating');
  await settled(database);
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
  expect(setting.events.filter(({ event }) => event.type === 'synced' && event.fullReason !== undefined)).toEqual([]);
});

test('a newest local file that cannot be read when it is to be sent is sent as soon as it can be (row 50)', async () => {
  const app = await setting.application();
  const { database } = await setting.start();
  await becomes(database, 'replicating');
  await settled(database);
  setting.remote('one').cut('put');
  await app.exec("INSERT INTO t (body) VALUES ('waits')");
  await database.sync({ wait: false });
  const repair = makeUnreadable(newestLocal());
  // What was read before may still be on its way: healed only when the file has been looked at.
  await expect.poll(() => JSON.stringify(database.replicas[0]?.status().lastError ?? '')).toContain('ELOOP');
  setting.remote('one').heal();
  expect((await database.status()).state).toBe('failing');
  repair();
  await becomes(database, 'replicating');
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
  expect(await setting.remote('one').txids(9)).toEqual([]);
});
