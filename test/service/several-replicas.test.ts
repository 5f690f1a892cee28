import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BacklogSettings, ReplicaSettings } from '../../src/engine/options.ts';
import { checkHealth } from '../../src/service/health.ts';
import type { DatabaseEntry } from '../../src/service/options.ts';
import type { App } from '../support/app-process.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

let at: Setting;
beforeEach(() => {
  at = new Setting();
});
afterEach(() => at.end());

/** Replicas of which those named are best-effort. */
function entryOf(replicas: readonly string[], bestEffort: readonly string[], backlog?: BacklogSettings): DatabaseEntry {
  const entry = at.entry(replicas, backlog === undefined ? {} : { settings: at.settings('app', { backlog }) });
  const roleOf = ({ name }: ReplicaSettings) => ({ role: bestEffort.includes(name) ? ('best-effort' as const) : ('required' as const) });
  return { ...entry, replicas: entry.replicas.map((replica) => ({ ...replica, ...roleOf(replica) })) };
}

async function running(entry: DatabaseEntry) {
  const started = await at.start(entry);
  await becomes(started.database, 'replicating');
  return started;
}

const insert = (app: App, text = 'x', times = 1) =>
  app.exec(Array.from({ length: times }, () => `INSERT INTO t (body) VALUES ('${text}')`).join(';'));

test('a best-effort replica that fails changes neither the state nor the health nor a wait nor the exit', async () => {
  const app = await at.application();
  await insert(app);
  const { service, database } = await running(entryOf(['one', 'extra'], ['extra']));
  await settled(database);
  at.remote('extra').cut();
  await insert(app, 'y');
  await settled(database);
  await expect.poll(() => database.replicas[1]?.status().state).toBe('failing');
  // A checkpoint makes a change of its own, which the required replica has a moment later.
  await expect.poll(async () => await database.status()).toMatchObject({ state: 'replicating', unprotectedSeconds: 0 });
  const status = await database.status();
  expect(status.error).toBeUndefined();
  expect(status.replicas[1]).toMatchObject({
    role: 'best-effort',
    state: 'failing',
    lastError: { error: { code: 'STORAGE_UNAVAILABLE' } },
  });
  const health = await checkHealth([database]);
  expect(health.status).toBe('ok');
  expect(health.databases[0]?.replicas[1]).toMatchObject({ name: 'extra', role: 'best-effort', state: 'failing' });
  expect(at.uploadFailures).toContain('STORAGE_UNAVAILABLE');
  const begun = performance.now();
  expect(await service.stop({ ...STOP, deadlineMs: 60_000 })).toEqual([]);
  expect(performance.now() - begun).toBeLessThan(30_000);
  expect(at.messages('error')).toContain('the last changes did not reach the replica');
});

test('where no replica is required, each one counts', async () => {
  const app = await at.application();
  await insert(app);
  const { database } = await running(entryOf(['one'], ['one']));
  await settled(database);
  at.remote('one').cut();
  await insert(app);
  await becomes(database, 'failing');
});

test('a best-effort replica with another history gets a snapshot and never an increment after it', async () => {
  const app = await at.application();
  await insert(app, 'first history', 3);
  const first = await running(entryOf(['extra'], []));
  await settled(first.database);
  for (let i = 0; i < 5; i += 1) {
    await insert(app, 'only there');
    await settled(first.database);
  }
  await first.service.stop(STOP);
  const foreign = (await at.remote('extra').txids()).at(-1) ?? 0;
  // The metadata directory is lost, and the best-effort replica is away when the new history begins under the same TXIDs.
  rmSync(at.at('.app.db-litestream'), { recursive: true });
  await app.exec('DELETE FROM t');
  const second = await running(entryOf(['one'], []));
  for (let i = 0; i < foreign + 3; i += 1) {
    await insert(app, `second ${i}`);
    await settled(second.database);
  }
  await second.service.stop(STOP);
  const third = await running(entryOf(['one', 'extra'], ['extra']));
  await insert(app, 'third');
  await settled(third.database);
  await expect.poll(() => at.remote('extra').txids(9)).toHaveLength(1);
  await insert(app, 'fourth');
  await settled(third.database);
  await expect.poll(() => third.database.replicas[1]?.status().lagSeconds).toBe(0);
  const digest = await app.digest();
  expect(await at.restoredDigest(app, 'one')).toBe(digest);
  expect(await at.restoredDigest(app, 'extra')).toBe(digest);
  const [snapshot = 0] = await at.remote('extra').txids(9);
  const after = (await at.remote('extra').txids()).filter((txid) => txid > foreign);
  expect(Math.min(...after)).toBe(snapshot + 1);
});

const localBytes = (): number => {
  const directory = at.at('.app.db-litestream', 'ltx', '0');
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
};

test('local files wait for a replica up to the bound; beyond it they go, the replica is degraded, and comes back by a snapshot', async () => {
  const bound = { bytes: 300_000, ageMs: 3_600_000 };
  const app = await at.application();
  await insert(app);
  const { database } = await running(entryOf(['one', 'two'], [], bound));
  await settled(database);
  const gate = Promise.withResolvers<void>();
  at.remote('two').store.script({ on: 'put', fault: { type: 'wait', gate: gate.promise } });
  for (let i = 0; i < 60; i += 1) {
    await app.exec('INSERT INTO t (body) SELECT hex(randomblob(4000))');
    await database.sync({ wait: false });
    await expect.poll(() => database.replicas[0]?.status().pendingBytes).toBe(0);
    await expect.poll(localBytes, { interval: 5 }).toBeLessThan(bound.bytes * 1.1);
  }
  await becomes(database, 'degraded');
  await expect.poll(async () => (await database.status()).unprotectedSeconds).toBe(0);
  const status = await database.status();
  expect(status.state).toBe('degraded');
  expect(status.error?.code).toBe('BACKLOG_EXCEEDED');
  expect(status.replicas[0]).toMatchObject({ state: 'replicating' });
  expect(status.replicas[1]).toMatchObject({ state: 'degraded', troubles: [{ of: 'backlog', error: { code: 'BACKLOG_EXCEEDED' } }] });
  expect(at.lines.filter(({ fields }) => fields.code === 'BACKLOG_EXCEEDED' && fields.replicas?.toString() === 'two')).not.toEqual([]);
  expect(at.messages('error').filter((line) => line.startsWith('CHANGES THAT NO REPLICA HAS'))).toEqual([]);
  const before = await at.remote('one').txids();
  expect(before).toEqual(Array.from({ length: before.length }, (_, i) => i + 1));
  gate.resolve();
  await settled(database);
  await insert(app, 'afterwards');
  await settled(database);
  await becomes(database, 'replicating');
  expect((await database.status()).replicas[1]?.troubles).toBeUndefined();
  const digest = await app.digest();
  expect(await at.restoredDigest(app, 'one')).toBe(digest);
  expect(await at.restoredDigest(app, 'two')).toBe(digest);
  expect(await at.remote('one').txids(9)).toEqual([]);
  const [snapshot = 0] = await at.remote('two').txids(9);
  const level0 = await at.remote('two').txids();
  expect(level0.filter((txid) => txid > snapshot)[0]).toBe(snapshot + 1);
});

test('when no replica takes anything, the local log is bounded, and the changes nobody has are named', async () => {
  const bound = { bytes: 200_000, ageMs: 3_600_000 };
  const app = await at.application();
  await insert(app);
  const { database } = await running(entryOf(['one', 'two'], [], bound));
  await settled(database);
  at.remote('one').cut();
  at.remote('two').cut();
  for (let i = 0; i < 40; i += 1) {
    await app.exec('INSERT INTO t (body) SELECT hex(randomblob(6000))');
    await database.sync({ wait: false });
    await expect.poll(localBytes, { interval: 5 }).toBeLessThan(bound.bytes * 1.1);
  }
  expect(at.messages('error').some((line) => line.startsWith('CHANGES THAT NO REPLICA HAS'))).toBe(true);
  const { replicas } = await database.status();
  for (const replica of replicas) expect(replica.troubles?.[0]?.error.code).toBe('BACKLOG_EXCEEDED');
  at.remote('one').heal();
  at.remote('two').heal();
  for (const replica of database.replicas) replica.retryNow();
  await settled(database);
  await insert(app, 'afterwards');
  await settled(database);
  await becomes(database, 'replicating');
  const digest = await app.digest();
  for (const name of ['one', 'two']) {
    expect(await at.restoredDigest(app, name)).toBe(digest);
    expect(await at.remote(name).txids(9)).toHaveLength(1);
  }
  const after = (await database.status()).replicas;
  for (const replica of after) expect(replica.troubles).toBeUndefined();
});
