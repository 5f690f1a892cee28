/** A service under everything at once, left alone for a day, and stopped by somebody who does not wait. */

import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { buildMetricsServer } from '../../src/http/metrics-server.ts';
import { checkHealth, isReady } from '../../src/service/health.ts';
import { Metrics } from '../../src/service/metrics/metrics.ts';
import { ReplicaWatch } from '../../src/service/watchdog/companion.ts';
import type { App } from '../support/app-process.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

let setting: Setting;
let app: App;
beforeEach(async () => {
  setting = new Setting();
  app = await setting.application();
});
afterEach(() => setting.end());

const insert = (): Promise<void> => app.exec('INSERT INTO t (body) VALUES (hex(randomblob(500)))');

async function inTime<T>(what: string, work: Promise<T>): Promise<T> {
  const stop = new AbortController();
  const late = sleep(60_000, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`${what} hangs`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    stop.abort();
    late.catch(() => {});
  }
}

const allInTime = (calls: readonly [string, Promise<unknown>][]) => Promise.all(calls.map(([what, ended]) => inTime(what, ended)));

test('sync, status, snapshot, reset, checks and stop at the same time never wait for each other in a circle (row 46)', {
  timeout: 240_000,
}, async () => {
  for (let life = 0; life < 3; life++) {
    const { service, database } = await setting.start(
      setting.entry(['one', 'two'], { settings: setting.settings('app', { minCheckpointPages: 5 }) }),
    );
    await becomes(database, 'replicating');
    const calls: [string, Promise<unknown>][] = [];
    const begin = (...more: [string, Promise<unknown>][]): void => {
      for (const [what, call] of more) calls.push([what, call.catch(() => {})]);
    };
    for (let round = 0; round < 6; round++) {
      const [one, two] = database.replicas;
      if (one === undefined || two === undefined) throw new Error('there are two replicas');
      begin(
        ['sync', database.sync({ wait: false })],
        ['sync and wait', database.sync({ wait: true, signal: AbortSignal.timeout(2000) })],
        ['status', database.status()],
        ['health', checkHealth(service.databases)],
        ['snapshot to one', database.snapshot(one)],
        ['snapshot to two', database.snapshot(two, AbortSignal.timeout(round))],
        ['sums', database.pageSums(setting.directory)],
        ['commit', insert()],
      );
      if (round % 2 === 1) begin(['reset', database.reset('test')]);
      if (round === 2) setting.remote('two').cut('put');
      if (round === 4) setting.remote('two').heal();
      await sleep(life * 7);
    }
    // The middle one of the lives ends in the middle of all that.
    if (life !== 1) await allInTime(calls);
    begin(
      ['stop', service.stop({ ...STOP, deadlineMs: 1000 })],
      ['status at the end', database.status()],
      ['sync at the end', database.sync({ wait: true })],
    );
    await allInTime(calls);
  }
  const { service, database } = await setting.start(setting.entry(['one', 'two']));
  await becomes(database, 'replicating');
  await insert();
  await expect
    .poll(() => database.sync({ wait: true, signal: AbortSignal.timeout(15_000) }).then(() => 'done', String), { timeout: 60_000 })
    .toBe('done');
  await service.stop(STOP);
  for (const name of ['one', 'two']) expect(await setting.restoredDigest(app, name)).toBe(await app.digest());
});

test('a database that nobody writes to is healthy after a day, as after a minute (row 49)', async () => {
  let hours = 0;
  const clock = {
    now: () => Date.now() + hours * 3_600_000,
    monotonic: () => performance.now() + hours * 3_600_000,
    sleep: systemClock.sleep,
  };
  setting.clock = clock;
  setting.companions = [(context) => new ReplicaWatch(context)];
  const { service, database } = await setting.start();
  await becomes(database, 'replicating');
  await insert();
  await settled(database);
  const metrics = new Metrics('test');
  const server = buildMetricsServer({
    contentType: metrics.contentType,
    render: () => metrics.render(service.databases),
    health: () => checkHealth(service.databases),
    ready: () => isReady(service.databases),
  });
  const files = await setting.remote('one').txids();
  // A sync captures; that nothing is left unseen is for the next look at the database to say.
  await expect.poll(async () => (await database.status()).unprotectedSeconds).toBe(0);
  for (hours = 1; hours <= 24; hours++) {
    for (const replica of database.replicas) replica.look?.();
    await sleep(30);
    const health = await server.inject('/healthz');
    expect(health.statusCode, `${hours} h: ${health.body}`).toBe(200);
    const { state, unprotectedSeconds, replicas } = await database.status();
    expect({ state, unprotectedSeconds, lag: replicas[0]?.lagSeconds, pending: replicas[0]?.pendingBytes }).toEqual({
      state: 'replicating',
      unprotectedSeconds: 0,
      lag: 0,
      pending: 0,
    });
  }
  expect(await setting.remote('one').txids()).toEqual(files);
  expect(setting.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
  await insert();
  await settled(database);
  expect((await database.status()).replicas[0]?.lastConfirmedAt).toBeGreaterThan(Date.now() + 20 * 3_600_000);
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
});

/** What this process has open below the directory of the test. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(setting.directory) ? [target] : [];
    } catch {
      return []; // the one of the listing itself
    }
  });
}

for (const [what, verbs] of [
  ['that has answered', []],
  ['that hangs in uploads', ['put']],
  ['that never answers', ['list', 'open', 'put', 'stat', 'delete']],
] as const) {
  test(`a stop that does not wait, beside a replica ${what}, releases locks, the read transaction and every descriptor (row 52)`, async () => {
    if (verbs.length === 5) setting.remote('one').hang(...verbs);
    const { service, database } = await setting.start();
    if (verbs.length < 5) await becomes(database, 'replicating');
    if (verbs.length === 1) setting.remote('one').hang(...verbs);
    await insert();
    const copying = database.replicas[0] === undefined ? undefined : database.snapshot(database.replicas[0]).catch(() => {});
    await service.stop({ deadlineMs: 1, retryMs: 0, signal: AbortSignal.abort(new Error('now')) });
    await service.stop({ deadlineMs: 1, retryMs: 0, signal: AbortSignal.abort(new Error('now')) });
    await inTime('the snapshot', copying ?? Promise.resolve());
    await expect.poll(openFiles).toEqual([]);
    expect(existsSync(setting.at('.app.db-litestream', 'owner.json'))).toBe(false);
    await app.exec('PRAGMA busy_timeout = 0');
    expect(await app.checkpoint('TRUNCATE')).toMatchObject({ busy: 0 });
    // The next one finds everything free, and nothing is lost.
    setting.remote('one').heal();
    const next = await setting.start();
    await becomes(next.database, 'replicating');
    await settled(next.database);
    expect(await setting.restoredDigest(app)).toBe(await app.digest());
  });
}
