import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import type { DatabaseEngine } from '../../src/engine/database-engine.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

let setting: Setting;

beforeEach(() => {
  setting = new Setting();
});

afterEach(() => setting.end());

const localFiles = (): string[] => {
  const directory = setting.at('.app.db-litestream', 'ltx', '0');
  return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.ltx')) : [];
};

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('what is committed arrives at every replica and can be restored from each', async () => {
  const app = await setting.application();
  const { database, service } = await setting.start(setting.entry(['one', 'two']));
  await becomes(database, 'replicating');
  await app.exec("INSERT INTO t (body) VALUES ('first')");
  await settled(database);
  const digest = await app.digest();
  expect(await setting.restoredDigest(app, 'one')).toBe(digest);
  expect(await setting.restoredDigest(app, 'two')).toBe(digest);
  expect(await database.status()).toMatchObject({ state: 'replicating', replicas: [{ state: 'replicating' }, { state: 'replicating' }] });
  expect(await service.stop(STOP)).toEqual([]);
  expect((await database.status()).state).toBe('stopped');
});

test('without local files nothing is captured before the replica has been heard, and that is called failing', async () => {
  await setting.application();
  setting.remote('one').cut();
  const { database } = await setting.start();
  await becomes(database, 'failing');
  await pause(300);
  expect(localFiles()).toEqual([]);
  const status = await database.status();
  expect(status.error?.code).toBe('STORAGE_UNAVAILABLE');
  expect(status.engine.state).toBe('starting');
  expect(status.unprotectedSeconds).toBeGreaterThan(0.2);
  setting.remote('one').heal();
  await becomes(database, 'replicating');
  await settled(database);
  expect(await setting.remote('one').txids()).toEqual([1]);
});

test('without local files the history goes on after what the silent replica turns out to hold', async () => {
  const app = await setting.application();
  await setting.start().then(async ({ service, database }) => {
    await becomes(database, 'replicating');
    await app.exec("INSERT INTO t (body) VALUES ('old machine')");
    await service.stop(STOP);
  });
  const before = await setting.remote('one').txids();
  rmSync(setting.at('.app.db-litestream'), { recursive: true });
  setting.remote('one').cut();
  const { database } = await setting.start();
  await becomes(database, 'failing');
  expect(localFiles()).toEqual([]);
  setting.remote('one').heal();
  await becomes(database, 'replicating');
  await app.exec("INSERT INTO t (body) VALUES ('new machine')");
  await settled(database);
  const after = await setting.remote('one').txids();
  expect(after.slice(0, before.length)).toEqual(before);
  expect(after).toEqual(after.map((_, index) => index + 1));
  expect(after.length).toBeGreaterThan(before.length);
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
});

test('with two replicas of which one has not been heard, nothing is captured that the silent one may hold otherwise', async () => {
  await setting.application();
  setting.remote('two').cut();
  const { database } = await setting.start(setting.entry(['one', 'two']));
  await becomes(database, 'failing');
  await pause(200);
  expect(localFiles()).toEqual([]);
  setting.remote('two').heal();
  await becomes(database, 'replicating');
  await settled(database);
  expect(await setting.remote('one').txids()).toEqual(await setting.remote('two').txids());
});

for (const how of ['cut', 'hang'] as const) {
  test(`with local files capturing goes on although the replica ${how === 'cut' ? 'fails' : 'hangs'} at the start`, async () => {
    const app = await setting.application();
    const first = await setting.start();
    await becomes(first.database, 'replicating');
    await settled(first.database);
    await first.service.stop(STOP);
    const before = localFiles().length;

    setting.remote('one')[how]();
    const { database } = await setting.start();
    await expect.poll(async () => (await database.status()).engine.state).toBe('replicating');
    await app.exec("INSERT INTO t (body) VALUES ('while it is away')");
    await expect.poll(() => localFiles().length).toBeGreaterThan(before);
    const status = await database.status();
    expect(status.unprotectedSeconds).toBeGreaterThanOrEqual(0);
    if (how === 'cut') await becomes(database, 'failing');
    if (how === 'hang') return;
    setting.remote('one').heal();
    await settled(database);
    await becomes(database, 'replicating');
    expect(await setting.restoredDigest(app)).toBe(await app.digest());
  });
}

test('a replica that turns out to be ahead gets a full file after what it holds', async () => {
  const app = await setting.application();
  const first = await setting.start();
  await becomes(first.database, 'replicating');
  await settled(first.database);
  await first.service.stop(STOP);
  // Local state as it was, while the replica goes on elsewhere.
  renameSync(setting.at('.app.db-litestream'), setting.at('kept'));
  const elsewhere = await setting.start();
  await becomes(elsewhere.database, 'replicating');
  for (const word of ['a', 'b', 'c']) {
    await app.exec(`INSERT INTO t (body) VALUES ('${word}')`);
    await settled(elsewhere.database);
  }
  await elsewhere.service.stop(STOP);
  rmSync(setting.at('.app.db-litestream'), { recursive: true });
  renameSync(setting.at('kept'), setting.at('.app.db-litestream'));
  const floor = (await setting.remote('one').txids()).at(-1) ?? 0;

  setting.remote('one').cut();
  const { database } = await setting.start();
  await expect.poll(async () => (await database.status()).engine.state).toBe('replicating');
  await app.exec("INSERT INTO t (body) VALUES ('captured below the floor')");
  await becomes(database, 'failing');
  setting.remote('one').heal();
  await becomes(database, 'replicating');
  await settled(database);
  const full = setting.events.findLast(({ event }) => event.type === 'synced' && event.fullReason !== undefined)?.event;
  expect(full).toMatchObject({ type: 'synced', txid: BigInt(floor + 1) });
  const after = await setting.remote('one').txids();
  expect(after).toEqual(after.map((_, index) => index + 1));
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
});

test('one of two replicas fails: degraded, the other one goes on and nothing is unprotected', async () => {
  const app = await setting.application();
  const { database } = await setting.start(setting.entry(['one', 'two']));
  await becomes(database, 'replicating');
  await settled(database);
  setting.remote('two').cut();
  await app.exec("INSERT INTO t (body) VALUES ('x')");
  await becomes(database, 'degraded');
  const { after } = await database.sync({ wait: false });
  await expect.poll(async () => (await setting.remote('one').txids()).at(-1)).toBe(Number(after));
  await expect.poll(async () => (await database.status()).unprotectedSeconds).toBe(0);
  const { replicas, error } = await database.status();
  expect(replicas).toMatchObject([{ state: 'replicating', lagSeconds: 0 }, { state: 'failing' }]);
  expect(replicas[1]?.lagSeconds).toBeGreaterThan(0);
  expect(error?.code).toBe('STORAGE_UNAVAILABLE');
  expect(setting.uploadFailures).toContain('STORAGE_UNAVAILABLE');
  setting.remote('two').heal();
  await becomes(database, 'replicating');
  expect(await setting.restoredDigest(app, 'two')).toBe(await app.digest());
});

test('all replicas fail: failing, and what is unprotected gets older until one is back', async () => {
  const app = await setting.application();
  const { database } = await setting.start(setting.entry(['one', 'two']));
  await becomes(database, 'replicating');
  await settled(database);
  setting.remote('one').cut();
  setting.remote('two').cut();
  await app.exec("INSERT INTO t (body) VALUES ('x')");
  await becomes(database, 'failing');
  const { unprotectedSeconds: early, since } = await database.status();
  await pause(250);
  // The first value may be an upper bound from before the change was captured.
  await expect.poll(async () => (await database.status()).unprotectedSeconds - early).toBeGreaterThan(0.2);
  expect((await database.status()).since).toBe(since);
  setting.remote('one').heal();
  await becomes(database, 'degraded');
  setting.remote('two').heal();
  await becomes(database, 'replicating');
  await expect.poll(async () => (await database.status()).unprotectedSeconds).toBe(0);
});

test('a snapshot bridges local files that were removed before they were uploaded', async () => {
  const app = await setting.application();
  const { database } = await setting.start();
  await becomes(database, 'replicating');
  await settled(database);
  setting.remote('one').cut('put');
  for (const word of ['a', 'b', 'c']) {
    await app.exec(`INSERT INTO t (body) VALUES ('${word}')`);
    await database.sync({ wait: false });
  }
  const files = localFiles().sort();
  expect(files.length).toBeGreaterThanOrEqual(4);
  for (const name of files.slice(1, -1)) rmSync(setting.at('.app.db-litestream', 'ltx', '0', name));
  setting.remote('one').heal();
  await settled(database);
  await app.exec("INSERT INTO t (body) VALUES ('d')");
  await settled(database);
  await becomes(database, 'replicating');
  expect(await setting.remote('one').txids(9)).toHaveLength(1);
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
  expect(setting.messages('warn')).toContain('local files the replica needed were gone; a snapshot took their place');
  // Nothing staged is left.
  expect(readdirSync(setting.at('.app.db-litestream')).filter((name) => name.startsWith('snapshot-'))).toEqual([]);
});

test('two replicas that need a snapshot of one position at once each get a whole one', async () => {
  const app = await setting.application();
  const { database } = await setting.start(setting.entry(['one', 'two']));
  await becomes(database, 'replicating');
  await settled(database);
  const [one, two] = database.replicas;
  if (one === undefined || two === undefined) throw new Error('there are no replicas');
  const [first, second] = await Promise.all([database.snapshot(one), database.snapshot(two)]);
  expect(first).toMatchObject({ level: 9, minTXID: 1n });
  expect(second.maxTXID).toBe(first.maxTXID);
  for (const name of ['one', 'two']) {
    rmSync(setting.at('remote', name, 'ltx', '0'), { recursive: true });
    expect(await setting.restoredDigest(app, name)).toBe(await app.digest());
  }
});

test('leftovers of interrupted snapshots are removed by the owner', async () => {
  const { mkdirSync, writeFileSync } = await import('node:fs');
  await setting.application();
  mkdirSync(setting.at('.app.db-litestream', 'snapshot-abandoned'), { recursive: true });
  writeFileSync(setting.at('.app.db-litestream', 'snapshot-abandoned', 'x.ltx'), 'x');
  const { database } = await setting.start();
  await becomes(database, 'replicating');
  await expect.poll(() => existsSync(setting.at('.app.db-litestream', 'snapshot-abandoned'))).toBe(false);
});

test('the last commit before the end is captured, uploaded, and restored', async () => {
  const app = await setting.application();
  const slow = setting.entry(['one'], { settings: setting.settings('app', { monitorIntervalMs: 3_600_000, pollIntervalMs: 3_600_000 }) });
  const { service, database } = await setting.start(slow);
  await becomes(database, 'replicating');
  await app.exec("INSERT INTO t (body) VALUES ('last')");
  expect(await service.stop(STOP)).toEqual([]);
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
});

test('what does not reach the replica before the deadline is reported, and uploaded by the next start (row 51)', async () => {
  const app = await setting.application();
  const { service, database } = await setting.start();
  await becomes(database, 'replicating');
  await settled(database);
  setting.remote('one').hang('put');
  await app.exec("INSERT INTO t (body) VALUES ('last')");
  const begun = performance.now();
  const left = await service.stop({ ...STOP, deadlineMs: 5000 });
  expect(performance.now() - begun).toBeLessThan(45_000);
  expect(left).toEqual([{ database: 'app', replica: 'one', error: expect.stringMatching(/has not reached replica one/) }]);
  setting.remote('one').heal();
  const again = await setting.start();
  await becomes(again.database, 'replicating');
  await settled(again.database);
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
});

test('a replica that was never heard is asked once more before the end, and what it needs then arrives', async () => {
  const app = await setting.application();
  setting.remote('one').cut();
  const { service, database } = await setting.start();
  await becomes(database, 'failing');
  await app.exec("INSERT INTO t (body) VALUES ('x')");
  const stopping = service.stop(STOP);
  await pause(200);
  setting.remote('one').heal();
  expect(await stopping).toEqual([]);
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
});

test('a replica that is never heard is named when nothing could be captured because of it', async () => {
  await setting.application();
  setting.remote('one').cut();
  const { service, database } = await setting.start();
  await becomes(database, 'failing');
  const begun = performance.now();
  expect(await service.stop({ ...STOP, deadlineMs: 6000 })).toEqual([
    { database: 'app', replica: 'one', error: 'STORAGE_UNAVAILABLE: the test has cut the line' },
    { database: 'app', replica: '-', error: expect.stringMatching(/^DB_NOT_READY: .*what the replicas hold$/) },
  ]);
  expect(performance.now() - begun).toBeLessThan(45_000);
});

test('a replica that was never heard and refuses ends a stop at once, and comes first with code and hint', async () => {
  await setting.application();
  setting.remote('one').hang();
  setting.remote('two').refuse();
  const { service, database } = await setting.start(setting.entry(['one', 'two']));
  await becomes(database, 'failing');
  const begun = performance.now();
  expect(await service.stop({ ...STOP, deadlineMs: 120_000, retryMs: 500 })).toEqual([
    { database: 'app', replica: 'two', error: 'ACCESS_DENIED: the test has locked the door. Ask for the key.' },
    { database: 'app', replica: '-', error: expect.stringMatching(/what the replicas hold$/) },
  ]);
  expect(performance.now() - begun).toBeLessThan(60_000);
});

test('a replica that refuses the last files ends a stop at once, and the other one has them', async () => {
  const app = await setting.application();
  const { service, database } = await setting.start(setting.entry(['one', 'two']));
  await becomes(database, 'replicating');
  await settled(database);
  setting.remote('one').refuse();
  await app.exec("INSERT INTO t (body) VALUES ('last')");
  const begun = performance.now();
  expect(await service.stop({ ...STOP, deadlineMs: 120_000, retryMs: 500 })).toEqual([
    {
      database: 'app',
      replica: 'one',
      error: expect.stringMatching(/^ACCESS_DENIED: the test has locked the door; .*files are missing there\. Ask for the key\.$/),
    },
  ]);
  expect(performance.now() - begun).toBeLessThan(60_000);
  expect(await setting.restoredDigest(app, 'two')).toBe(await app.digest());
});

test('a replica that needs a snapshot and works again gets it before the engine is closed', async () => {
  const app = await setting.application();
  const { service, database } = await setting.start();
  await becomes(database, 'replicating');
  await settled(database);
  setting.remote('one').cut('put');
  for (const body of ['a', 'b', 'c']) {
    await app.exec(`INSERT INTO t (body) VALUES ('${body}')`);
    await database.sync({ wait: false });
  }
  await becomes(database, 'failing');
  const needed = localFiles().sort().at(-2);
  expect(needed).toBeDefined();
  rmSync(setting.at('.app.db-litestream', 'ltx', '0', needed ?? ''));
  setting.remote('one').heal();
  expect(await service.stop(STOP)).toEqual([]);
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
});

test('a stop that skips the upload still names what the replica refuses', async () => {
  await setting.application();
  setting.remote('one').refuse();
  const { service, database } = await setting.start();
  await becomes(database, 'failing');
  const left = await service.stop({ ...STOP, deadlineMs: 120_000, signal: AbortSignal.abort() });
  expect(left[0]).toMatchObject({ replica: 'one', error: expect.stringMatching(/^ACCESS_DENIED: /) });
});

test('waiting for replicas does not end before each has what it takes, whatever another one refuses', async () => {
  const app = await setting.application();
  const { database } = await setting.start(setting.entry(['one', 'two']));
  await becomes(database, 'replicating');
  await settled(database);
  setting.remote('one').refuse();
  const gate = Promise.withResolvers<void>();
  setting.remote('two').store.script({ on: 'put', fault: { type: 'wait', gate: gate.promise } });
  await app.exec("INSERT INTO t (body) VALUES ('x')");
  let isOver = false;
  const syncing = database.sync({ wait: true }).catch((error: unknown) => error);
  void syncing.then(() => {
    isOver = true;
  });
  await expect.poll(() => setting.uploadFailures).toContain('ACCESS_DENIED');
  await pause(100);
  expect(isOver).toBe(false);
  gate.resolve();
  expect(await syncing).toMatchObject({ code: 'NOT_REPLICATED', details: { last: { code: 'ACCESS_DENIED' } } });
  expect(await setting.restoredDigest(app, 'two')).toBe(await app.digest());
});

test('a problem at the start is told once, and so is its end', async () => {
  await setting.application();
  setting.remote('one').refuse();
  const { service, database } = await setting.start();
  await becomes(database, 'failing');
  await pause(300);
  const told = () => setting.told('ACCESS_DENIED');
  expect(told()).toMatchObject([{ level: 'error', message: 'upload failed', fields: { failures: 1 } }]);
  setting.remote('one').heal();
  expect(await service.stop(STOP)).toEqual([]);
  expect(told()).toHaveLength(1);
  expect(setting.messages('info').filter((message) => message === 'uploads go on again')).toHaveLength(1);
});

test('a database that does not exist leaves nothing behind, whatever its replica does', async () => {
  setting.remote('one').hang();
  const { service, database } = await setting.start();
  await becomes(database, 'waiting');
  expect(await service.stop({ ...STOP, deadlineMs: 30_000 })).toEqual([]);
});

test('stopping can be cut short while uploads hang, and says what is left', async () => {
  const app = await setting.application();
  const { service, database } = await setting.start();
  await becomes(database, 'replicating');
  await settled(database);
  setting.remote('one').hang();
  await app.exec("INSERT INTO t (body) VALUES ('last')");
  const skip = new AbortController();
  const stopping = service.stop({ ...STOP, signal: skip.signal });
  // Only the upload is left.
  await expect.poll(() => setting.events.at(-1)?.event).toMatchObject({ type: 'state', state: 'stopped' });
  skip.abort(new LitestreamError('CANCELLED', 'the last upload was skipped'));
  expect(await stopping).toEqual([{ database: 'app', replica: 'one', error: expect.stringMatching(/\w/) }]);
});

test('a database that could not be captured is not silently left behind', async () => {
  const app = await setting.application();
  const owner = await setting.start();
  await becomes(owner.database, 'replicating');
  const second = await setting.start(setting.entry(['two']));
  await becomes(second.database, 'failing');
  await app.exec("INSERT INTO t (body) VALUES ('x')");
  expect(await second.service.stop(STOP)).toEqual([{ database: 'app', replica: '-', error: expect.stringMatching(/app/) }]);
});

test('a database that is refused is refused at the start, also when its replica fails first', async () => {
  const { writeFileSync } = await import('node:fs');
  writeFileSync(setting.at('notes'), 'not a directory');
  setting.remote('one').cut();
  const { openEngine } = setting;
  // The engine is slower to come up than the replica is to fail.
  setting.openEngine = (settings, facts, listener) => {
    const opened = pause(200).then(() => openEngine(settings, facts, listener));
    const late = (verb: 'status' | 'sync' | 'close') => async () => (await opened)[verb]();
    return { status: late('status'), sync: late('sync'), close: late('close'), raise: async () => {} } as unknown as DatabaseEngine;
  };
  const bad = setting.settings('app', { path: setting.at('notes', 'app.db'), metaPath: setting.at('.app') });
  const { service } = await setting.start(setting.entry(['one'], { settings: bad }));
  await expect(service.settle(60_000, new AbortController().signal)).rejects.toMatchObject({ code: 'DB_INVALID' });
});

test('thirty databases start, replicate and stop together (row 85)', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `db${index}`);
  const app = await setting.application('db0');
  await app.run(
    (context, paths: readonly string[]) => {
      for (const path of paths) {
        context.open(path, path).exec("PRAGMA journal_mode = WAL; CREATE TABLE t (body); INSERT INTO t VALUES ('x')");
      }
    },
    names.slice(1).map((name) => setting.at(`${name}.db`)),
  );
  const service = await setting.create(...names.map((name) => setting.entry([`replica-${name}`], { settings: setting.settings(name) })));
  service.start();
  await service.settle(60_000, new AbortController().signal);
  await Promise.all(service.databases.map((database) => becomes(database, 'replicating')));
  expect(await service.stop(STOP)).toEqual([]);
  for (const name of names) expect((await setting.remote(`replica-${name}`).txids())[0]).toBe(1);
}, 150_000);
