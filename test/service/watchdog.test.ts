import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { LitestreamError } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/log.ts';
import { openDatabaseEngine } from '../../src/engine/db/database.ts';
import type { EngineEvent } from '../../src/engine/events.ts';
import { LocalLog } from '../../src/engine/upload/local-log.ts';
import { type TXID, toTXID } from '../../src/formats/ltx/txid.ts';
import type { FileInfo } from '../../src/replica/file-info.ts';
import { layoutFor } from '../../src/replica/layout.ts';
import { Replica } from '../../src/replica/replica.ts';
import { CaptureCheck } from '../../src/service/capture-check.ts';
import type { CompanionContext } from '../../src/service/companions/companion.ts';
import { Observer } from '../../src/service/observer.ts';
import type { DatabaseHandle, ReplicaHandle } from '../../src/service/service.ts';
import { ReplicaWatch } from '../../src/service/watchdog/companion.ts';
import { Waiting } from '../../src/service/watchdog/waiting.ts';
import { WALWatch } from '../../src/service/watchdog/wal-watch.ts';
import { FileStore } from '../../src/storage/file/file.ts';
import { EnginePool } from '../../src/workers/engine-pool.ts';
import { makeHistory, putFile } from '../control/setting.ts';
import type { App } from '../support/app-process.ts';
import { FakeClock, settle, until } from '../support/fake-clock.ts';
import { FaultStore } from '../support/fault-store.ts';
import { ManualScheduler } from '../support/manual-scheduler.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

let setting: Setting;

beforeEach(() => {
  setting = new Setting();
});

afterEach(() => setting.end());

const insert = (app: App): Promise<void> => app.exec('INSERT INTO t (body) VALUES (randomblob(3000))');
const walOf = (): string => `${setting.settings().path}-wal`;
const walWatch = (clock: FakeClock): WALWatch =>
  new WALWatch(walOf(), clock, { directory: join(setting.settings().metaPath, 'ltx', '0'), graceMs: 2000 });

test('a commit that nobody captures is found in the WAL itself, and its age does not come from the wall clock', async () => {
  const app = await setting.application();
  const { service, database } = await setting.start();
  await becomes(database, 'replicating');
  await insert(app);
  await settled(database);
  const clock = new FakeClock();
  const watch = walWatch(clock);
  expect(await watch.waitingMs()).toBe(0);
  // The engine is gone, as one that hangs for ever; the file's times say that nothing happened.
  await service.stop(STOP);
  await clock.advance(60_000);
  expect(await watch.waitingMs()).toBe(0);
  await insert(app);
  utimesSync(walOf(), 1, 1);
  expect(await watch.waitingMs()).toBe(0); // just seen: it may be on its way
  await clock.advance(30_000);
  await insert(app);
  await clock.advance(45_000);
  expect(await watch.waitingMs()).toBe(75_000);
  const again = await setting.start();
  await becomes(again.database, 'replicating');
  await settled(again.database);
  expect(await watch.waitingMs()).toBe(0);
});

test('a frame that was never committed, or not written to its end, is no commit', async () => {
  const app = await setting.application();
  const { service, database } = await setting.start();
  await becomes(database, 'replicating');
  await insert(app);
  await settled(database);
  await service.stop(STOP);
  const clock = new FakeClock();
  const watch = walWatch(clock);
  expect(await watch.waitingMs()).toBe(0);
  const before = statSync(walOf()).size;
  await insert(app);
  const { size } = statSync(walOf());
  const handle = await open(walOf(), 'r+');
  const last = Buffer.alloc(100, 0x5a);
  await handle.write(last, 0, last.length, size - 100);
  await handle.close();
  expect(size).toBeGreaterThan(before);
  await watch.waitingMs();
  await clock.advance(100_000);
  expect(await watch.waitingMs()).toBe(0);
});

test('an engine that falls silent is found: the database is degraded with a name, and protected again when it speaks', async () => {
  const app = await setting.application();
  setting.lagBudgetMs = 300;
  let isFrozen = false;
  let thaw: () => void = () => {};
  const frozen = new Promise<void>((resolve) => {
    thaw = resolve;
  });
  setting.openEngine = (settings, { floor }, { onEvent }) => {
    // A clock that never wakes stands for a thread that does nothing any more.
    const clock = {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: async (ms: number, options?: { readonly signal?: AbortSignal }) => {
        if (isFrozen) await frozen;
        return systemClock.sleep(ms, options);
      },
    };
    const engine = openDatabaseEngine(settings, { clock, log: silentLogger, floor, onEvent: (event) => !isFrozen && onEvent(event) });
    return { ...bound(engine), status: () => (isFrozen ? new Promise(() => {}) : engine.status()) };
  };
  const { database } = await setting.start();
  await becomes(database, 'replicating');
  await insert(app);
  await settled(database);
  isFrozen = true;
  await insert(app);
  await becomes(database, 'degraded');
  const { error, unprotectedSeconds } = await database.status();
  expect(error).toMatchObject({ code: 'NOT_REPLICATED', message: expect.stringContaining('waiting to be captured') });
  expect(unprotectedSeconds).toBeGreaterThan(0.3);
  isFrozen = false;
  thaw();
  await insert(app);
  await becomes(database, 'replicating');
});

function bound<T extends object>(engine: T): T {
  return new Proxy(engine, {
    get: (target, key) => {
      const value = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    ownKeys: () => ['sync', 'checkpoint', 'snapshot', 'pageSums', 'raise', 'status', 'close', 'reset'],
    getOwnPropertyDescriptor: (target, key) => ({ value: bindOf(target, key), enumerable: true, configurable: true }),
  });
}

function bindOf(target: object, key: string | symbol): unknown {
  const value = Reflect.get(target, key);
  return typeof value === 'function' ? value.bind(target) : value;
}

const pass = { type: 'pass', durationMs: 0, dbSize: 1, walOffset: 1, diskFull: false } as const satisfies EngineEvent;

test('setting the wall clock forward makes nothing late, and setting it back hides nothing', async () => {
  let shift = 0;
  const clock = new (class extends FakeClock {
    override now(): number {
      return super.now() + shift;
    }
  })();
  const path = setting.at('plain.db');
  writeFileSync(path, '');
  const wal = (at: number) => {
    writeFileSync(`${path}-wal`, '');
    utimesSync(`${path}-wal`, at / 1000, at / 1000);
  };
  const check = new CaptureCheck(path, clock);
  check.observe(pass);
  await clock.advance(1000);
  wal(clock.now());
  shift = 3_600_000;
  expect(await check.unseenSeconds()).toBe(1);
  check.observe(pass);
  expect(await check.unseenSeconds()).toBe(0);

  // Back by two hours: a file's time says nothing any more, but the time since stays what it is.
  const waiting = new Waiting();
  waiting.note(toTXID(5), clock.monotonic());
  shift = -3_600_000;
  await clock.advance(90_000);
  expect(waiting.waitingMs(toTXID(4), clock.monotonic())).toBe(90_000);
  expect(waiting.waitingMs(toTXID(5), clock.monotonic())).toBe(0);
});

test('samples of a long failure stay few, and the oldest is kept', () => {
  const waiting = new Waiting();
  for (let index = 1; index <= 5000; index++) waiting.note(toTXID(index), index * 10_000);
  expect(waiting.waitingMs(undefined, 50_010_000)).toBe(50_000_000);
  waiting.drop(toTXID(4999));
  expect(waiting.waitingMs(toTXID(4999), 50_010_000)).toBeLessThan(3_000_000);
});

test('another database file at the path is found although nobody looks', async () => {
  const clock = new FakeClock();
  const path = setting.at('plain.db');
  writeFileSync(path, 'one');
  const check = new CaptureCheck(path, clock);
  check.observe(pass);
  expect(await check.unseenSeconds()).toBe(0);
  await clock.advance(1);
  writeFileSync(setting.at('other'), 'two');
  renameSync(setting.at('other'), path);
  await check.unseenSeconds();
  await clock.advance(70_000);
  expect(await check.unseenSeconds()).toBe(70);
  check.observe(pass);
  expect(await check.unseenSeconds()).toBe(0);
});

interface Watched {
  readonly clock: FakeClock;
  readonly store: FaultStore;
  readonly watch: ReplicaWatch;
  readonly retries: () => number;
  position: TXID;
  /** What the database does when it is asked for a snapshot. */
  snapshot: () => Promise<FileInfo>;
  /** One look of the observer, and all that follows from it. */
  look(): Promise<void>;
  capture(txid: number): void;
}

const HISTORY = makeHistory(8);

/** A replica with TXIDs 1 to 4, watched by a clock that stands still. */
function watched(): Watched {
  const root = setting.at('watched');
  const clock = new FakeClock();
  const local = setting.at('local', 'ltx', '0');
  mkdirSync(local, { recursive: true });
  const store = new FaultStore(new FileStore({ type: 'file', path: root }));
  for (let txid = 1; txid <= 4; txid++) putFile(root, HISTORY, 0, txid, txid);
  let retries = 0;
  const self: Watched = {
    clock,
    store,
    retries: () => retries,
    position: toTXID(4),
    watch: undefined as never,
    async look() {
      watch.look();
      await until(() => !watch.isBusy, 'the look has ended');
      await settle();
    },
    snapshot: async () => {
      throw new LitestreamError('DB_NOT_OPEN', 'there is no engine');
    },
    capture(txid) {
      const hex = txid.toString(16).padStart(16, '0');
      writeFileSync(join(local, `${hex}-${hex}.ltx`), 'local');
    },
  };
  const replica = {
    settings: { name: 'one' },
    replica: new Replica(store, layoutFor('file')),
    get position() {
      return self.position;
    },
    retryNow: () => {
      retries += 1;
    },
  } as unknown as ReplicaHandle;
  const watch = new ReplicaWatch({
    replica,
    database: { snapshot: () => self.snapshot() },
    clock,
    scheduler: new ManualScheduler(),
    log: setting.log,
    local: new LocalLog(local),
  } as unknown as CompanionContext);
  return Object.assign(self, { watch });
}

test('an idle replica is asked nothing; one that changes is listed after a while, and once more at the end', async () => {
  const one = watched();
  for (let minute = 0; minute < 30; minute++) {
    await one.look();
    await one.clock.advance(60_000);
  }
  expect(one.store.calls).toEqual([]);
  one.capture(5);
  putFile(setting.at('watched'), HISTORY, 0, 5, 5);
  one.position = toTXID(5);
  await one.look();
  const listings = one.store.count('list');
  expect(listings).toBe(10); // one for each level
  for (let minute = 0; minute < 60; minute++) {
    await one.clock.advance(60_000);
    await one.look();
  }
  expect(one.store.calls).toHaveLength(listings);
  expect(one.watch.facts().troubles).toBeUndefined();
});

test('level directories that vanish are found within a minute though nothing changes, and the uploads are told to look', async () => {
  const one = watched();
  one.capture(4);
  await one.look();
  await one.clock.advance(400_000);
  await one.look();
  expect(one.watch.facts().troubles).toBeUndefined();
  rmSync(setting.at('watched', 'ltx'), { recursive: true });
  await one.clock.advance(61_000);
  await one.look();
  expect(one.watch.facts().troubles).toMatchObject([{ of: 'watchdog', error: { code: 'POSITION_MISMATCH', hint: expect.any(String) } }]);
  expect(one.retries()).toBe(1);
  expect(setting.messages('error')).toEqual(['the replica does not hold what it should']);
  for (let txid = 1; txid <= 4; txid++) putFile(setting.at('watched'), HISTORY, 0, txid, txid);
  await one.clock.advance(301_000);
  await one.look();
  expect(one.watch.facts().troubles).toBeUndefined();
  expect(setting.messages('info')).toEqual(['the replica holds what it should again']);
});

test('a hole behind which uploads go on is found by the next listing', async () => {
  const one = watched();
  rmSync(setting.at('watched', 'ltx', '0', '0000000000000003-0000000000000003.ltx'));
  one.capture(5);
  putFile(setting.at('watched'), HISTORY, 0, 5, 5);
  one.position = toTXID(5);
  await one.clock.advance(301_000);
  await one.look();
  expect(one.watch.facts().troubles).toMatchObject([{ error: { code: 'LTX_GAP' } }]);
  expect(one.retries()).toBe(1);
});

test('what nothing can be restored from is found within a minute or so, and gets a snapshot', async () => {
  const one = watched();
  one.capture(5);
  putFile(setting.at('watched'), HISTORY, 0, 5, 5);
  one.position = toTXID(5);
  await one.clock.advance(61_000);
  await one.look();
  expect(one.watch.facts().troubles).toBeUndefined();
  rmSync(setting.at('watched', 'ltx', '0', '0000000000000001-0000000000000001.ltx'));
  one.capture(6);
  putFile(setting.at('watched'), HISTORY, 0, 6, 6);
  one.position = toTXID(6);
  let snapshots = 0;
  await one.clock.advance(61_000);
  await one.look();
  expect(one.watch.facts().troubles).toMatchObject([{ error: { code: 'NO_SNAPSHOT' } }]);
  expect(setting.messages('warn')).toEqual(['the snapshot that would make the newest state restorable failed']);
  one.snapshot = async () => {
    snapshots += 1;
    putFile(setting.at('watched'), HISTORY, 9, 1, 6);
    return { level: 9, minTXID: toTXID(1), maxTXID: toTXID(6), size: 1, createdAt: 0 };
  };
  await one.clock.advance(61_000);
  await one.look();
  expect(snapshots).toBe(0); // not again at once
  await one.clock.advance(240_000);
  await one.look();
  expect(snapshots).toBe(1);
  await one.clock.advance(61_000);
  await one.look();
  expect(one.watch.facts().troubles).toBeUndefined();
  expect(snapshots).toBe(1);
});

test('uploads that hang are told by the age of what waits, whatever they say', async () => {
  const one = watched();
  one.capture(5);
  await one.look();
  await one.clock.advance(75_000);
  expect(one.watch.facts().waitingSeconds).toBe(75);
  one.position = toTXID(5);
  expect(one.watch.facts().waitingSeconds).toBe(0);
});

test('a listing that never answers ends, and becomes a trouble when that repeats', async () => {
  const one = watched();
  one.store.script({ on: 'list', fault: { type: 'hang' }, times: Number.POSITIVE_INFINITY });
  one.capture(5);
  await one.clock.advance(301_000);
  for (let round = 0; round < 2; round++) {
    one.watch.look();
    await until(() => one.clock.sleeping > 0, 'the listing has begun');
    await one.clock.advance(61_000);
    await until(() => !one.watch.isBusy, 'the listing was given up');
    await one.clock.advance(301_000);
  }
  expect(one.watch.facts().troubles).toMatchObject([{ error: { code: 'TIMEOUT' } }]);
});

test('one database that does not answer does not hide the others', async () => {
  const clock = new FakeClock();
  const looked: string[] = [];
  const database = (name: string, status: () => Promise<unknown>) =>
    ({
      settings: { name },
      replicas: [],
      status: (): Promise<unknown> => {
        looked.push(name);
        return status();
      },
    }) as unknown as DatabaseHandle;
  const well = async () => ({ state: 'replicating', unprotectedSeconds: 0 });
  const observer = new Observer(
    { databases: [database('hanging', () => new Promise(() => {})), database('well', well)] },
    clock,
    silentLogger,
  );
  observer.start();
  await clock.advance(16_000);
  expect(looked).toEqual(['hanging', 'well', 'well', 'well']);
  observer.stop();
});

test('a hung upload makes its replica late although the local files are young by the wall clock', async () => {
  const app = await setting.application();
  setting.companions = [(context) => new ReplicaWatch(context)];
  setting.lagBudgetMs = 500;
  const { database } = await setting.start();
  await becomes(database, 'replicating');
  await insert(app);
  await settled(database);
  setting.remote('one').hang('put');
  await insert(app);
  await database.sync({ wait: false });
  const [replica] = database.replicas;
  // Somebody has set the clock: the files seem to come from tomorrow.
  const directory = join(setting.settings().metaPath, 'ltx', '0');
  for (const name of readdirSync(directory)) utimesSync(join(directory, name), Date.now() / 1000 + 86_400, Date.now() / 1000 + 86_400);
  const looks = setInterval(() => replica?.look?.(), 20);
  await becomes(database, 'degraded');
  clearInterval(looks);
  expect((await database.status()).error?.code).toBe('NOT_REPLICATED');
  setting.remote('one').heal();
});

test('level directories of a file replica that are deleted at runtime make the uploads look again, and refuse to go on over the hole', async () => {
  const app = await setting.application();
  const clock = new FakeClock();
  const watches: ReplicaWatch[] = [];
  setting.companions = [
    (context) => {
      const watch = new ReplicaWatch({ ...context, clock });
      watches.push(watch);
      return watch;
    },
  ];
  const { database } = await setting.start();
  await becomes(database, 'replicating');
  for (let count = 0; count < 3; count++) {
    await insert(app);
    await settled(database);
  }
  rmSync(join(setting.remote('one').path, 'ltx'), { recursive: true });
  await clock.advance(61_000);
  for (const watch of watches) {
    watch.look();
    await until(() => !watch.isBusy, 'the look has ended');
  }
  await becomes(database, 'failing');
  const [replica] = (await database.status()).replicas;
  expect(replica).toMatchObject({
    lastError: { error: { code: 'POSITION_MISMATCH', hint: expect.stringContaining('mounted') } },
    troubles: [{ of: 'watchdog', error: { code: 'POSITION_MISMATCH' } }],
  });
  // Nothing is written over the hole.
  await insert(app);
  await database.sync({ wait: false });
  expect(await setting.remote('one').txids()).toEqual([]);
});

/** Freezes the engine thread until it is told to go on. */
function freeze(): { isThere(): boolean; melt(): void } {
  const state = new Int32Array(new SharedArrayBuffer(8));
  const channel = new BroadcastChannel('freeze-engine-threads');
  channel.postMessage(state);
  channel.close();
  return {
    isThere: () => Atomics.load(state, 0) === 1,
    melt: () => {
      Atomics.store(state, 1, 1);
      Atomics.notify(state, 1);
    },
  };
}

test('an engine thread that stands still does not hide it: nothing is asked of it, and all is well when it goes on', async () => {
  const pool = new EnginePool(setting.log, 1, new URL('../workers/freezing-engine-entry.ts', import.meta.url));
  try {
    setting.lagBudgetMs = 500;
    setting.openEngine = (settings, { floor }, listener) => pool.pick().open(settings, { floor, socketPath: undefined }, listener);
    const app = await setting.application();
    const { database, service } = await setting.start();
    await becomes(database, 'replicating');
    await insert(app);
    await settled(database);
    const ice = freeze();
    await expect.poll(ice.isThere).toBe(true);
    await insert(app);
    await becomes(database, 'degraded');
    const { error, unprotectedSeconds } = await database.status();
    expect(error?.code).toBe('NOT_REPLICATED');
    expect(unprotectedSeconds).toBeGreaterThan(0.5);
    ice.melt();
    await becomes(database, 'replicating');
    await settled(database);
    expect(await setting.restoredDigest(app)).toBe(await app.digest());
    await service.stop(STOP);
  } finally {
    await pool.close();
  }
});
