import { readdirSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { EnginePool } from '../../src/workers/engine-pool.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

let setting: Setting;
let pool: EnginePool;
/** Engines that were lost; the log tells only twice a minute. */
let losses: number;

beforeEach(() => {
  setting = new Setting();
  pool = new EnginePool(setting.log, 1, new URL('../workers/crashing-engine-entry.ts', import.meta.url));
  losses = 0;
  setting.openEngine = (settings, { floor }, listener) => {
    const onStopped: typeof listener.onStopped = (error) => {
      losses += 1;
      listener.onStopped(error);
    };
    return pool.pick().open(settings, { floor, socketPath: undefined }, { ...listener, onStopped });
  };
});

afterEach(async () => {
  await setting.end();
  await pool.close();
});

const crash = (): void => {
  const channel = new BroadcastChannel('crash-engine-threads');
  channel.postMessage('now');
  channel.close();
};

const lost = (): number => losses;

/** With it an engine that was lost stays so until it is moved on. */
function stillClock(): FakeClock {
  const clock = new FakeClock(Date.now());
  setting.clock = clock;
  return clock;
}

test('a database whose engine thread dies again and again goes on without a gap and without a new full file', async () => {
  const clock = stillClock();
  const app = await setting.application();
  const { database, service } = await setting.start();
  await becomes(database, 'replicating');
  await settled(database);
  for (const round of [1, 2]) {
    await app.exec(`INSERT INTO t (body) VALUES ('before ${round}')`);
    crash();
    await expect.poll(lost).toBe(round);
    const status = await database.status();
    expect(status).toMatchObject({ state: 'failing', error: { code: 'ENGINE_STOPPED' } });
    expect(await database.sync({ wait: false }).catch((error: unknown) => error)).toMatchObject({ code: 'DB_NOT_OPEN' });
    await app.exec(`INSERT INTO t (body) VALUES ('while it is gone ${round}')`);
    await clock.advance(10_000);
    await becomes(database, 'replicating');
  }
  await app.exec("INSERT INTO t (body) VALUES ('after')");
  await settled(database);
  const txids = await setting.remote('one').txids();
  expect(txids).toEqual(txids.map((_, index) => index + 1));
  const full = setting.events.filter(({ event }) => event.type === 'synced' && event.fullReason !== undefined);
  expect(full).toHaveLength(1);
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
  expect(await service.stop(STOP)).toEqual([]);
});

test('an engine that dies before the silent replica was heard learns later what it holds', async () => {
  await setting.application();
  setting.remote('one').cut();
  const { database } = await setting.start();
  await becomes(database, 'failing');
  // Only a thread that has come up hears that it is to die.
  await expect.poll(async () => (await database.status()).engine.dbSize).toBeGreaterThan(0);
  crash();
  await expect.poll(lost).toBe(1);
  await expect.poll(async () => (await database.status()).engine.state).toBe('starting');
  setting.remote('one').heal();
  await becomes(database, 'replicating');
  await settled(database);
  expect(await setting.remote('one').txids()).toEqual([1]);
});

test('a thread that dies takes none of its databases with it', async () => {
  const names = ['app', 'other'];
  await Promise.all(names.map((name) => setting.application(name)));
  const service = await setting.create(...names.map((name) => setting.entry([`replica-${name}`], { settings: setting.settings(name) })));
  service.start();
  await Promise.all(service.databases.map((database) => becomes(database, 'replicating')));
  crash();
  await expect.poll(lost).toBe(2);
  await Promise.all(service.databases.map((database) => becomes(database, 'replicating')));
  expect(await service.stop(STOP)).toEqual([]);
});

test('an engine that is opened again after its local files were removed does not use a TXID twice', async () => {
  const clock = stillClock();
  const app = await setting.application();
  const { database } = await setting.start();
  await becomes(database, 'replicating');
  for (const word of ['a', 'b']) {
    await app.exec(`INSERT INTO t (body) VALUES ('${word}')`);
    await settled(database);
  }
  const { after } = await settled(database);
  const directory = setting.at('.app.db-litestream', 'ltx', '0');
  crash();
  await expect.poll(lost).toBe(1);
  for (const name of readdirSync(directory)) rmSync(`${directory}/${name}`);
  await clock.advance(10_000);
  await becomes(database, 'replicating');
  await settled(database);
  expect((await database.status()).engine.txid).toBe(toTXID(after + 1n));
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
});

test('stopping while an engine is gone says that changes may be left', async () => {
  stillClock();
  await setting.application();
  const { database, service } = await setting.start();
  await becomes(database, 'replicating');
  await settled(database);
  crash();
  await expect.poll(lost).toBe(1);
  expect(await service.stop(STOP)).toEqual([{ database: 'app', replica: '-', error: expect.stringContaining('engine thread ended') }]);
});
