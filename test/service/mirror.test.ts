import { existsSync, mkdirSync, statSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { makeMirror } from '../../src/service/companions/mirror.ts';
import type { DatabaseEntry } from '../../src/service/options.ts';
import { App } from '../support/app-process.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

const POLL = { timeout: 60_000, interval: 50 };

let setting: Setting;
const readers: App[] = [];
afterEach(async () => {
  await Promise.all(readers.splice(0).map((reader) => reader.stop()));
  await setting.end();
});

function mirrored(): DatabaseEntry {
  setting.companions = [makeMirror];
  const entry = setting.entry();
  return { ...entry, replicas: entry.replicas.map((replica) => ({ ...replica, mirror: setting.at('mirrors', 'app.db') })) };
}

async function reader(): Promise<App> {
  const app = await App.start(setting.at('mirrors', 'app.db'));
  readers.push(app);
  return app;
}

const count = (app: App): Promise<number> =>
  app.run(({ open }) => open('main', undefined, { readonly: true }).prepare('SELECT count(*) FROM t').pluck().get() as number);

test('a mirror is a plain database that follows its replica, with the mode of the database', async () => {
  setting = new Setting();
  const app = await setting.application();
  await app.exec("INSERT INTO t (body) VALUES ('first')");
  const { database, service } = await setting.start(mirrored());
  await becomes(database, 'replicating');
  await settled(database);
  await expect.poll(() => existsSync(setting.at('mirrors', 'app.db')), POLL).toBe(true);
  expect(statSync(setting.at('mirrors', 'app.db')).mode & 0o777).toBe(statSync(setting.at('app.db')).mode & 0o777);

  const plain = await reader();
  await expect.poll(() => count(plain), POLL).toBe(1);
  for (let i = 0; i < 5; i++) await app.exec("INSERT INTO t (body) VALUES ('more')");
  const { after } = await settled(database);
  await expect.poll(() => count(plain), POLL).toBe(6);
  await expect.poll(async () => (await database.status()).replicas[0]?.mirror?.txid, POLL).toBe(after);
  const [replica] = (await database.status()).replicas;
  expect(replica?.mirror).toMatchObject({ path: setting.at('mirrors', 'app.db'), at: expect.any(Number) });
  expect(replica?.troubles).toBeUndefined();
  expect(await service.stop(STOP)).toEqual([]);
});

test('a mirror that somebody wrote to is a trouble of its replica, and is left as it is', async () => {
  setting = new Setting();
  const app = await setting.application();
  await app.exec("INSERT INTO t (body) VALUES ('first')");
  const { database } = await setting.start(mirrored());
  await expect.poll(() => existsSync(setting.at('mirrors', 'app.db')), POLL).toBe(true);
  const plain = await reader();
  await plain.exec("INSERT INTO t (body) VALUES ('by a stranger')");
  const before = await count(plain);
  await app.exec("INSERT INTO t (body) VALUES ('second')");
  await settled(database);
  const trouble = async () => (await database.status()).replicas[0]?.troubles?.[0];
  await expect.poll(async () => (await trouble())?.error.code, POLL).toBe('SECOND_WRITER');
  expect(await trouble()).toMatchObject({ of: 'mirror', since: expect.any(Number) });
  expect(await count(plain)).toBe(before);
  expect(setting.messages('error')).toContain('the mirror is not kept up to date');
});

test('something else at the path of a mirror is not touched', async () => {
  setting = new Setting();
  const app = await setting.application();
  await app.exec("INSERT INTO t (body) VALUES ('first')");
  mkdirSync(setting.at('mirrors', 'app.db'), { recursive: true });
  const { database } = await setting.start(mirrored());
  await expect.poll(async () => (await database.status()).replicas[0]?.troubles?.[0]?.error.code, POLL).toBe('OUTPUT_EXISTS');
  expect(statSync(setting.at('mirrors', 'app.db')).isDirectory()).toBe(true);
});
