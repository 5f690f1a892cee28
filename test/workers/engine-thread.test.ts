import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hasCode, type LitestreamError } from '../../src/base/errors.ts';
import type { LogFields, Logger } from '../../src/base/log.ts';
import type { DatabaseEngine } from '../../src/engine/database-engine.ts';
import type { EngineEvent } from '../../src/engine/events.ts';
import type { DatabaseSettings } from '../../src/engine/options.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { EnginePool } from '../../src/workers/engine-pool.ts';
import { EngineThread } from '../../src/workers/engine-thread.ts';
import { App } from '../support/app-process.ts';

const CRASHING = new URL('./crashing-engine-entry.ts', import.meta.url);

let directory: string;
let threads: { terminate(): Promise<void> }[] = [];
let apps: App[] = [];
let lines: { message: string; fields: LogFields }[] = [];
const log: Logger = {
  log: (_level, message, fields = {}) => void lines.push({ message, fields }),
  with: () => log,
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'litestream-thread-'));
  lines = [];
});

afterEach(async () => {
  await Promise.all(threads.map((thread) => thread.terminate()));
  await Promise.all(apps.map((app) => app.stop()));
  threads = [];
  apps = [];
  rmSync(directory, { recursive: true, force: true });
});

function settings(name = 'app', more: Partial<DatabaseSettings> = {}): DatabaseSettings {
  return {
    name,
    path: join(directory, `${name}.db`),
    metaPath: join(directory, `.${name}.db-litestream`),
    monitorIntervalMs: 10,
    pollIntervalMs: 3_600_000,
    checkpointIntervalMs: 0,
    minCheckpointPages: 1_000_000,
    truncatePages: Number.POSITIVE_INFINITY,
    busyTimeoutMs: 1000,
    maxSyncWALBytes: Number.POSITIVE_INFINITY,
    pageForm: 'block',
    ...more,
  };
}

async function application(name = 'app'): Promise<App> {
  const app = await App.start(join(directory, `${name}.db`));
  apps.push(app);
  await app.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)');
  return app;
}

function thread(entry?: URL): EngineThread {
  const made = new EngineThread(log, entry);
  threads.push(made);
  return made;
}

/** An engine with everything it told. */
function open(on: EngineThread, of: DatabaseSettings = settings(), floor = 0) {
  const events: EngineEvent[] = [];
  const stopped: LitestreamError[] = [];
  const engine = on.open(
    of,
    { floor: toTXID(floor), socketPath: undefined },
    { onEvent: (event) => events.push(event), onStopped: (error) => stopped.push(error) },
  );
  return { engine, events, stopped };
}

const replicating = (engine: DatabaseEngine) => expect.poll(async () => (await engine.status()).state).toBe('replicating');

const crash = (): void => {
  const channel = new BroadcastChannel('crash-engine-threads');
  channel.postMessage('now');
  channel.close();
};

test('every verb works over the thread, and events come back in order', async () => {
  const app = await application();
  const { engine, events } = open(thread());
  await replicating(engine);
  await app.exec("INSERT INTO t (body) VALUES ('one')");
  const { after } = await engine.sync();
  await app.exec("INSERT INTO t (body) VALUES ('two')");
  const next = await engine.sync();
  expect(next.after).toBeGreaterThan(after);

  const snapshot = await engine.snapshot(directory);
  expect(snapshot).toMatchObject({ minTXID: 1n, maxTXID: next.after, size: statSync(snapshot.path).size });
  const sums = await engine.pageSums(directory);
  expect(statSync(sums.path).size).toBe(sums.commit * 8);
  expect((await engine.checkpoint('PASSIVE')).writeLockMs).toBeGreaterThanOrEqual(0);
  await expect.poll(() => engine.status()).toMatchObject({ state: 'replicating', pageSize: 4096, pendingWALBytes: 0 });

  await engine.close();
  const txids = events.flatMap((event) => (event.type === 'synced' ? [event.txid] : []));
  expect(txids).toEqual(txids.map((_, index) => BigInt(index + 1)));
  expect(txids.length).toBeGreaterThanOrEqual(2);
  expect(events.flatMap((event) => (event.type === 'state' ? [event.state] : [])).at(-1)).toBe('stopped');
});

test('an infinite setting, a TXID beyond 2^53 and raise survive the way over', async () => {
  await application();
  const { engine } = open(thread(), settings(), 2 ** 40);
  await replicating(engine);
  expect((await engine.status()).txid).toBe(2n ** 40n + 1n);
  await engine.raise(toTXID(2n ** 60n));
  expect((await engine.sync()).after).toBe(2n ** 60n + 1n);
  await engine.close();
});

test('an error keeps its code, its hint and its details', async () => {
  await application();
  const first = thread();
  const owner = open(first);
  await replicating(owner.engine);
  const second = thread();
  const refused = open(second);
  const error = await refused.engine.sync().catch((thrown: unknown) => thrown);
  expect(hasCode(error, 'DB_OWNED')).toBe(true);
  expect((error as LitestreamError).hint).toMatch(/\w/);
  expect((error as LitestreamError).details).toMatchObject({ pid: process.pid });
  await expect
    .poll(() => refused.events.find((event) => event.type === 'state' && event.state === 'failing'))
    .toMatchObject({
      error: { code: 'DB_OWNED' },
    });
  await owner.engine.close();
});

test('log lines of the thread arrive with the name of their database', async () => {
  await application();
  const { engine } = open(thread());
  await replicating(engine);
  await engine.close();
  expect(lines).toContainEqual({ message: 'wrote a full file', fields: expect.objectContaining({ database: 'app' }) });
});

test('closing twice is one closing, and the last commit is in the local log', async () => {
  const app = await application();
  const { engine, events } = open(thread(), settings('app', { monitorIntervalMs: 3_600_000 }));
  await replicating(engine);
  const before = (await engine.status()).txid;
  await app.exec("INSERT INTO t (body) VALUES ('last')");
  await Promise.all([engine.close(), engine.close()]);
  await engine.close();
  expect(events.findLast((event) => event.type === 'synced')).toMatchObject({ txid: before + 1n });
  expect(await engine.sync().catch((thrown: unknown) => thrown)).toMatchObject({ code: 'DB_NOT_OPEN' });
});

test('a thread that dies rejects what is under way, says so once, and lets the database go', async () => {
  const app = await application();
  const dying = thread(CRASHING);
  const { engine, stopped } = open(dying);
  await replicating(engine);
  const txid = (await engine.status()).txid;
  // Something that takes long enough to be under way.
  await app.exec(
    'INSERT INTO t (body) SELECT hex(randomblob(2000)) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i FROM n)',
  );
  crash();
  const calls = await Promise.allSettled([engine.snapshot(directory), engine.sync(), engine.sync()]);
  expect(calls.some((call) => call.status === 'rejected')).toBe(true);
  for (const call of calls) if (call.status === 'rejected') expect(call.reason).toMatchObject({ code: 'ENGINE_STOPPED' });
  await expect.poll(() => stopped.length).toBe(1);
  expect(stopped[0]).toMatchObject({ code: 'ENGINE_STOPPED', disposition: 'retry' });
  expect(dying.alive).toBe(false);
  expect(await engine.status().catch((thrown: unknown) => thrown)).toMatchObject({ code: 'ENGINE_STOPPED' });
  expect(() => open(dying)).toThrow(expect.objectContaining({ code: 'ENGINE_STOPPED' }));

  // Another thread may have it at once: no lock outlives its thread.
  const again = open(thread());
  await replicating(again.engine);
  expect((await again.engine.sync()).after).toBeGreaterThan(txid);
  // Whichever of the two has captured what was committed last.
  expect(again.events.filter((event) => event.type === 'synced' && event.fullReason !== undefined)).toEqual([]);
  await app.exec("INSERT INTO t (body) VALUES ('after')");
  await again.engine.close();
});

test('ending a thread that was not closed rejects what is under way and tells nobody of a failure', async () => {
  await application();
  const ending = thread();
  const { engine, stopped } = open(ending);
  await replicating(engine);
  const pending = engine.snapshot(directory).catch((thrown: unknown) => thrown);
  await ending.terminate();
  const result = await pending;
  if (!existsSync(join(directory, '0000000000000001-0000000000000001.ltx'))) expect(result).toMatchObject({ code: 'ENGINE_STOPPED' });
  expect(stopped).toEqual([]);
});

test('a pool spreads databases over its threads and replaces a dead one', async () => {
  const pool = new EnginePool(log, 2, CRASHING);
  threads.push({ terminate: () => pool.close() });
  const names = ['a', 'b', 'c', 'd'];
  await Promise.all(names.map((name) => application(name)));
  const used = names.map((name) => {
    const on = pool.pick();
    return { on, ...open(on, settings(name)) };
  });
  await Promise.all(used.map(({ engine }) => replicating(engine)));
  const distinct = [...new Set(used.map(({ on }) => on))];
  expect(distinct.map((one) => one.databases)).toEqual([2, 2]);

  // A thread that has become free is used before the busy one.
  const [first] = distinct;
  for (const { on, engine } of used) if (on === first) await engine.close();
  expect(pool.pick()).toBe(first);

  crash();
  await expect.poll(() => distinct.some((one) => one.alive)).toBe(false);
  const fresh = pool.pick();
  expect(distinct).not.toContain(fresh);
  const { engine } = open(fresh, settings('a'));
  await replicating(engine);
  await engine.close();
});
