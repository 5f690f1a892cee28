import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { DatabaseEntry } from '../../../src/service/options.ts';
import { readOwner } from '../../../src/sqlite/owner-lock.ts';
import { targetGuard } from '../../../src/workers/job-target-guard.ts';
import type { App } from '../../support/app-process.ts';
import { becomes, STOP, settled } from '../setting.ts';
import { ColdSetting, engineBecomes } from './cold-setting.ts';

let setting: ColdSetting;

beforeEach(() => {
  setting = new ColdSetting();
  setting.watch.isSwept = false;
});

afterEach(() => setting.end());

const coldEntry = (coldAfterMs = 100, name = 'app'): DatabaseEntry =>
  setting.entry(['one'], { settings: setting.settings(name, { coldAfterMs }) });

const insert = (app: App, body = 'x'): Promise<void> => app.exec(`INSERT INTO t (body) VALUES ('${body}')`);

/** Everything the application has committed is at the replica. */
async function isSafe(app: App): Promise<void> {
  expect(await setting.restoredDigest(app)).toBe(await app.digest());
}

/** Without asking for it, as no verb is to wake it: the replica gets what the application has. */
async function arrives(app: App): Promise<void> {
  const wanted = await app.digest();
  await expect.poll(() => setting.restoredDigest(app), { interval: 50 }).toBe(wanted);
}

describe('an idle database', () => {
  test('is closed, keeps its state and its owner, and holds neither descriptor nor lock', async () => {
    const app = await setting.application();
    await insert(app);
    const { database } = await setting.start(coldEntry());
    await engineBecomes(database, 'cold');
    await expect.poll(() => setting.descriptors()).toEqual([]);
    const { state, engine, replicas, cold } = await database.status();
    expect({ state, txid: engine.txid, replica: replicas[0]?.txid }).toEqual({ state: 'replicating', txid: 1n, replica: 1n });
    expect(engine.dbSize).toBeGreaterThan(0);
    expect(cold).toMatchObject({ wakes: 0, fullFileWakes: 0 });
    expect(readOwner(setting.at('.app.db-litestream'))).toMatchObject({ pid: process.pid, shared: expect.any(String) });
  });

  test('is not handed to a forced restore', async () => {
    const app = await setting.application();
    await insert(app);
    const { database, service } = await setting.start(coldEntry());
    await engineBecomes(database, 'cold');
    await app.kill();
    const look = (): void => targetGuard.assertUnused(setting.at('app.db'), setting.at('.app.db-litestream'));
    expect(look).toThrow(expect.objectContaining({ code: 'OUTPUT_IN_USE', message: expect.stringContaining('it is being replicated') }));
    await service.stop(STOP);
    expect(look).not.toThrow();
  });

  test('stays open until its replica has everything', async () => {
    const app = await setting.application();
    const { database } = await setting.start(coldEntry());
    await becomes(database, 'replicating');
    await settled(database);
    setting.remote('one').cut('put');
    await insert(app);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect((await database.status()).engine.state).toBe('replicating');
    setting.remote('one').heal();
    await engineBecomes(database, 'cold');
    await isSafe(app);
  });

  test('that does not exist is closed too, and found when it comes', async () => {
    const { database } = await setting.start(coldEntry());
    await engineBecomes(database, 'cold');
    const app = await setting.application();
    await insert(app);
    await arrives(app);
    await becomes(database, 'replicating');
  });
});

describe('a cold database is woken', () => {
  test('by a commit, which costs an increment', async () => {
    const app = await setting.application();
    const { database } = await setting.start(coldEntry());
    await engineBecomes(database, 'cold');
    for (let round = 0; round < 2; round++) {
      await insert(app, `round ${round}`);
      await arrives(app);
      await engineBecomes(database, 'cold');
    }
    expect(setting.fullFiles()).toBe(0);
    expect((await database.status()).cold).toMatchObject({ wakes: 2, fullFileWakes: 0 });
    expect(setting.coldCounts).toEqual(new Map([['wakes', 2]]));
  });

  test('by the verbs that need it, and only by them', async () => {
    const app = await setting.application();
    await insert(app);
    const { database } = await setting.start(coldEntry());
    await engineBecomes(database, 'cold');
    await database.status();
    expect((await database.status()).engine.state).toBe('cold');
    await settled(database);
    expect((await database.status()).cold?.wakes).toBe(1);
    await engineBecomes(database, 'cold');
    const [replica] = database.replicas;
    if (replica === undefined) throw new Error('there is no replica');
    await database.snapshot(replica);
    expect(await setting.remote('one').txids(9)).toHaveLength(1);
    await engineBecomes(database, 'cold');
    await database.pageSums(setting.at('.app.db-litestream'));
    expect((await database.status()).cold?.wakes).toBe(3);
  });

  test('at once when somebody wrote between its closing and the watch', async () => {
    const app = await setting.application();
    const { database } = await setting.start(coldEntry());
    let written = 0;
    setting.watch.beforeArm = async () => {
      if (written++ === 0) await insert(app, 'in between');
    };
    await expect.poll(() => written).toBeGreaterThan(0);
    await arrives(app);
    await engineBecomes(database, 'cold');
    await isSafe(app);
  });

  test('by a verb that comes while it is being closed', async () => {
    const app = await setting.application();
    const { database } = await setting.start(coldEntry());
    let asked: Promise<unknown> | undefined;
    setting.watch.beforeArm = async () => {
      asked ??= settled(database);
    };
    await expect.poll(() => asked !== undefined).toBe(true);
    await insert(app);
    await asked;
    await settled(database);
    await isSafe(app);
  });

  test('when its directory cannot be watched, and then stays open', async () => {
    await setting.application();
    setting.watch.isUnable = true;
    const { database } = await setting.start(coldEntry());
    await expect.poll(async () => (await database.status()).cold?.wakes).toBe(1);
    await becomes(database, 'replicating');
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect((await database.status()).cold?.wakes).toBe(1);
    expect((await database.status()).engine.state).toBe('replicating');
  });
});

// More of them, and at random: test/long/cold.test.ts.
describe('nothing is lost while it is cold:', () => {
  const cases: readonly (readonly [string, (app: App) => Promise<unknown>])[] = [
    ['a commit and a clean close', (app) => app.close()],
    ['a TRUNCATE checkpoint', (app) => app.checkpoint('TRUNCATE')],
    ['a checkpoint and another commit, which restarts the WAL', (app) => app.checkpoint('RESTART').then(() => insert(app, 'after'))],
  ];

  test.each(cases)('%s', async (_, act) => {
    const app = await setting.application();
    await insert(app, 'before');
    const { database } = await setting.start(coldEntry());
    await engineBecomes(database, 'cold');
    // Deaf: all of it is done before anybody looks.
    setting.watch.isDeaf = true;
    await database.sync({ wait: true });
    await engineBecomes(database, 'cold');
    await insert(app, 'while cold');
    await act(app);
    setting.watch.isDeaf = false;
    await settled(database);
    await isSafe(app);
  });

  test('an application that is killed', async () => {
    const app = await setting.application();
    const { database } = await setting.start(coldEntry());
    await engineBecomes(database, 'cold');
    await insert(app, 'last words');
    await app.kill();
    const other = await setting.application();
    await arrives(other);
    await engineBecomes(database, 'cold');
    await isSafe(other);
  });
});

describe('a stop', () => {
  test('leaves an unchanged cold database closed, without a trace of ours', async () => {
    const app = await setting.application();
    const { database, service } = await setting.start(coldEntry());
    await engineBecomes(database, 'cold');
    expect(await service.stop(STOP)).toEqual([]);
    expect(existsSync(setting.at('.app.db-litestream', 'owner.json'))).toBe(false);
    expect((await database.status()).cold?.wakes).toBe(0);
    await isSafe(app);
  });

  test('opens a changed one for its final sync', async () => {
    const app = await setting.application();
    const { database, service } = await setting.start(coldEntry());
    setting.watch.isDeaf = true;
    await engineBecomes(database, 'cold');
    await insert(app, 'at the last moment');
    expect(await service.stop(STOP)).toEqual([]);
    await isSafe(app);
  });
});

test('a database that is woken again and again, or at the cost of full files, stays open for longer', async () => {
  const app = await setting.application();
  const { database } = await setting.start(coldEntry());
  await engineBecomes(database, 'cold');
  const before = (await database.status()).cold?.patienceMs ?? 0;
  await app.run((context) => {
    context.db().exec("INSERT INTO t (body) VALUES ('x')");
    context.close();
  });
  await expect.poll(async () => (await database.status()).cold?.fullFileWakes).toBe(1);
  expect((await database.status()).cold?.patienceMs).toBeGreaterThanOrEqual(4 * before);
});

test('more databases than may be open at once are all captured, and never too many are open', async () => {
  await setting.end();
  // Nobody waits so long that it is let in above the limit, however busy the machine.
  setting = new ColdSetting(3, { ...systemClock, monotonic: () => systemClock.monotonic() / 100 });
  const names = Array.from({ length: 10 }, (_, index) => `app${index}`);
  const app = await setting.application(names[0]);
  for (const name of names) {
    await app.run(
      (context, path: string) => {
        context
          .open(path, path)
          .exec(
            "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO t (body) VALUES ('y')",
          );
      },
      setting.at(`${name}.db`),
    );
  }
  const entries = names.map((name) => {
    const entry = setting.entry([`to-${name}`], { settings: setting.settings(name, { coldAfterMs: 60_000 }) });
    return entry;
  });
  const service = await setting.create(...entries);
  service.start();
  let most = 0;
  const deadline = performance.now() + 75_000;
  const isOpen = (name: string): boolean => setting.descriptors(name).includes(setting.at(`${name}.db`));
  const missing = new Set(names);
  while (missing.size > 0 && performance.now() < deadline) {
    most = Math.max(most, names.filter(isOpen).length);
    for (const name of missing) if ((await setting.remote(`to-${name}`).txids()).length > 0) missing.delete(name);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect([...missing]).toEqual([]);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(3);
});
