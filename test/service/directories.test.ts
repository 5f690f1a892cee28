/** Watched directories: what is taken in, what is let go, in which order, and what happens when events do not come. */

import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { LitestreamError } from '../../src/base/errors.ts';
import { isWithin } from '../../src/config/paths.ts';
import { Claims } from '../../src/service/directories/claims.ts';
import type { DirectorySettings } from '../../src/service/directories/options.ts';
import type { MemberService } from '../../src/service/directories/registrar.ts';
import { type OnEvent, type WatchDirectory, watchDirectory } from '../../src/service/directories/watch.ts';
import { WatchedDirectories } from '../../src/service/directories/watched-directories.ts';
import type { DatabaseEntry } from '../../src/service/options.ts';
import type { DirectoryStatus } from '../../src/service/service.ts';
import { FakeClock, until } from '../support/fake-clock.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

/** Takes databases in and lets them go, and writes down in which order. */
class Service implements MemberService {
  readonly entries: DatabaseEntry[] = [];
  readonly calls: string[] = [];
  readonly #root: string;
  readonly #claims = new Claims();
  /** How long adding and removing take, ms. */
  delay = 0;
  busy = 0;
  most = 0;
  refusal: LitestreamError | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  has(path: string): boolean {
    return this.#claims.has(path);
  }

  isNameTaken(name: string): boolean {
    return this.#claims.isNameTaken(name);
  }

  get paths(): string[] {
    return this.entries.map(({ settings }) => this.#short(settings.path)).sort();
  }

  async add(entry: DatabaseEntry): Promise<void> {
    if (this.refusal !== undefined) throw this.refusal;
    this.#claims.claim(entry);
    this.busy += 1;
    this.most = Math.max(this.most, this.busy);
    await systemClock.sleep(this.delay);
    this.busy -= 1;
    this.entries.push(entry);
    this.calls.push(`+${this.#short(entry.settings.path)}`);
  }

  async remove(path: string): Promise<[]> {
    await systemClock.sleep(this.delay);
    this.entries.splice(
      this.entries.findIndex(({ settings }) => settings.path === path),
      1,
    );
    this.#claims.release(path);
    this.calls.push(`-${this.#short(path)}`);
    return [];
  }

  #short(path: string): string {
    return isWithin(path, this.#root) ? path.slice(this.#root.length + 1) : path;
  }
}

let root: string;
let service: Service;
let lines: string[];
const running: WatchedDirectories[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'litestream-watched-'));
  service = new Service(root);
  lines = [];
});

afterEach(() => {
  for (const directories of running.splice(0)) directories.stop();
  rmSync(root, { recursive: true, force: true });
});

function put(name: string, content = 'SQLite format 3\0 and more'): void {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), content);
}

function watching(
  more: Partial<DirectorySettings> = {},
  tools: { readonly clock?: Clock; readonly watch?: WatchDirectory } = {},
): () => DirectoryStatus {
  const template: DatabaseEntry = {
    settings: {
      name: 'template',
      path: root,
      metaPath: root,
      monitorIntervalMs: 10,
      pollIntervalMs: 50,
      checkpointIntervalMs: 0,
      minCheckpointPages: 1000,
      truncatePages: 1000,
      busyTimeoutMs: 1000,
      maxSyncWALBytes: 1000,
      pageForm: 'block',
    },
    replicas: [{ name: 'file', store: { type: 'file', path: join(root, '.replica') }, syncIntervalMs: 10, maxSyncFiles: 10 }],
    restoreIfMissing: false,
  };
  const settings = { dir: root, pattern: '*.db', recursive: true, watch: true, template, at: { key: 'dbs[0].dir' }, ...more };
  const log = { log: (level: string, message: string) => void lines.push(`${level} ${message}`), with: () => log };
  const directories = new WatchedDirectories([settings], { clock: systemClock, log, service, limits: STOP, ...tools });
  running.push(directories);
  directories.start();
  return () => {
    const [status] = directories.status();
    if (status === undefined) throw new Error('nothing is watched');
    return status;
  };
}

const POLL = { timeout: 30_000, interval: 20 };
const become = (...paths: string[]) => expect.poll(() => service.paths, POLL).toEqual(paths.sort());
const isWatching = (status: () => DirectoryStatus) => expect.poll(() => status().state, POLL).toBe('watching');

describe('with file events', () => {
  test('files appear, get their header late, lie in new directories, come by renaming, and go', async () => {
    put('there.db');
    const status = watching();
    await become('there.db');
    await isWatching(status);
    put('new.db');
    put('empty.db', '');
    put('deep/deeper/x.db');
    put('text.db', 'no database, and long enough for one');
    put('new.db-wal');
    put('.new.db-litestream/owner.db');
    put('staged.tmp');
    symlinkSync(join(root, 'there.db'), join(root, 'link.db'));
    await become('there.db', 'new.db', 'deep/deeper/x.db');
    put('empty.db');
    renameSync(join(root, 'staged.tmp'), join(root, 'renamed-in.db'));
    await become('there.db', 'new.db', 'deep/deeper/x.db', 'empty.db', 'renamed-in.db');
    renameSync(join(root, 'there.db'), join(root, 'there.away'));
    unlinkSync(join(root, 'new.db'));
    await become('deep/deeper/x.db', 'empty.db', 'renamed-in.db');
    rmSync(join(root, 'deep'), { recursive: true });
    await become('empty.db', 'renamed-in.db');
    await expect.poll(status, POLL).toEqual({ dir: root, pattern: '*.db', state: 'watching', members: 2, problems: [] });
  });

  test('without recursive, directories below are nobody’s business', async () => {
    put('sub/x.db');
    watching({ recursive: false });
    put('y.db');
    await become('y.db');
    put('sub/z.db');
    put('last.db');
    await become('y.db', 'last.db');
  });

  test('a directory that is moved in brings its databases, one that is moved out takes them along', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'litestream-outside-'));
    try {
      const status = watching();
      await isWatching(status);
      mkdirSync(join(outside, 't/u'), { recursive: true });
      for (const name of ['t/a.db', 't/u/b.db']) writeFileSync(join(outside, name), 'SQLite format 3\0');
      renameSync(join(outside, 't'), join(root, 't'));
      await become('t/a.db', 't/u/b.db');
      renameSync(join(root, 't'), join(outside, 't'));
      await become();
      renameSync(join(outside, 't'), join(root, 'again'));
      await become('again/a.db', 'again/u/b.db');
    } finally {
      rmSync(outside, { recursive: true, force: true });
    }
  });

  test('a renamed member is let go before it is opened under its new name', async () => {
    service.delay = 50;
    put('old.db');
    watching();
    await become('old.db');
    renameSync(join(root, 'old.db'), join(root, 'new.db'));
    await become('new.db');
    expect(service.calls).toEqual(['+old.db', '-old.db', '+new.db']);
  });

  test('a second name of a member is refused while it is one, and the refusal is seen', async () => {
    put('a.db');
    const status = watching();
    await become('a.db');
    linkSync(join(root, 'a.db'), join(root, 'b.db'));
    await expect.poll(() => status().problems, POLL).toMatchObject([{ path: join(root, 'b.db'), error: { code: 'CONFIG_INVALID' } }]);
    expect(status().state).toBe('degraded');
    expect(service.calls).toEqual(['+a.db']);
    unlinkSync(join(root, 'b.db'));
    await isWatching(status);
  });

  test('a file that comes and goes and comes ends as what it is', async () => {
    service.delay = 20;
    watching();
    for (let round = 0; round < 30; round++) {
      put('a.db');
      await systemClock.sleep(round % 7 === 0 ? 300 : 5);
      unlinkSync(join(root, 'a.db'));
    }
    put('last.db');
    await become('last.db');
    put('a.db');
    await become('a.db', 'last.db');
    for (const [index, call] of service.calls.filter((text) => text.endsWith('a.db')).entries())
      expect(call[0]).toBe(index % 2 === 0 ? '+' : '-');
  });

  test('a thousand files that appear at once are taken in a few at a time, and nothing else waits', async () => {
    service.delay = 1;
    const status = watching();
    await isWatching(status);
    for (let number = 0; number < 1000; number++) put(`${number % 10}/n${number}.db`);
    // Of this thread alone: what else the machine does is not its fault.
    const busyMs = () => {
      const { user, system } = process.threadCpuUsage();
      return (user + system) / 1000;
    };
    let longest = 0;
    let last = busyMs();
    const timer = setInterval(() => {
      longest = Math.max(longest, busyMs() - last);
      last = busyMs();
    }, 1);
    await expect.poll(() => service.entries.length, { timeout: 60_000, interval: 50 }).toBe(1000);
    clearInterval(timer);
    expect(service.most).toBeLessThanOrEqual(8);
    expect(longest, 'ms in which nothing else could run').toBeLessThan(500);
  });

  test('a copy that follows a replica is left alone, told once, and taken in when it is one no more', async () => {
    put('copy.db-txid', '0000000000000003\n');
    put('copy.db');
    put('a.db');
    const clock = new FakeClock();
    const status = watching({}, { clock });
    await become('a.db');
    const told = () => lines.filter((line) => line.includes('copy.db is a copy that follows a replica'));
    await expect.poll(told, POLL).toHaveLength(1);
    await expect.poll(status, POLL).toMatchObject({ state: 'watching', members: 1 });
    writeFileSync(join(root, 'copy.db'), 'SQLite format 3\0 and an increment');
    await clock.advance(60_000);
    await expect.poll(() => status().state, POLL).toBe('watching');
    expect(service.paths).toEqual(['a.db']);
    expect(told()).toHaveLength(1);
    unlinkSync(join(root, 'copy.db-txid'));
    await expect
      .poll(async () => {
        await clock.advance(60_000);
        return service.paths;
      }, POLL)
      .toEqual(['a.db', 'copy.db']);
  });

  test('a database with an entry of its own is not taken in, nor one that was there before', async () => {
    put('own.db');
    put('found.db');
    const status = watching();
    await become('own.db', 'found.db');
    running.splice(0).map((directories) => directories.stop());
    for (const entry of service.entries.splice(0))
      service.entries.push(entry.settings.path.endsWith('own.db') ? withoutDirectory(entry) : entry);
    const again = watching();
    await expect.poll(() => again().members, POLL).toBe(1);
    expect(status().state).toBe('stopped');
    unlinkSync(join(root, 'own.db'));
    unlinkSync(join(root, 'found.db'));
    await become('own.db');
  });
});

const withoutDirectory = ({ memberOf: _, ...entry }: DatabaseEntry): DatabaseEntry => entry;

describe('when events do not come', () => {
  /** Watches that say what a test tells them to. */
  function scripted() {
    const state = { fails: undefined as LitestreamError | undefined, made: 0, closed: 0, hear: new Map<string, OnEvent>(), lose: () => {} };
    const watch: WatchDirectory = (path, onEvent, onLost) => {
      if (state.fails !== undefined) throw state.fails;
      state.made += 1;
      state.hear.set(path, onEvent);
      state.lose = () => onLost(new LitestreamError('STORAGE_UNAVAILABLE', 'the watch is lost'));
      const close = (): void => {
        state.closed += 1;
      };
      return { close };
    };
    return { state, watch };
  }

  /** No file is being looked at any more, nor is anything that follows from it under way. */
  async function quiet(): Promise<void> {
    for (let turns = 0; turns < 3; turns++) {
      await systemClock.sleep(1);
      if (process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'))) turns = -1;
    }
  }

  /** Time passes until something holds; files are real, so each step waits for them. */
  async function passes(clock: FakeClock, ms: number, holds: () => boolean): Promise<number> {
    for (let passed = 0; passed <= ms; passed += 250) {
      await quiet();
      if (holds()) return passed;
      await clock.advance(250);
    }
    await until(holds, `it holds after ${ms} ms`);
    return ms;
  }

  test('what was lost is found within a minute, what is gone too', async () => {
    const clock = new FakeClock();
    const { watch } = scripted();
    put('a.db');
    watching({}, { clock, watch });
    await passes(clock, 1000, () => service.paths.length === 1);
    put('sub/b.db');
    unlinkSync(join(root, 'a.db'));
    expect(await passes(clock, 61_000, () => service.paths.join() === 'sub/b.db')).toBeGreaterThan(30_000);
  });

  test('an event without a name has everything looked at', async () => {
    const clock = new FakeClock();
    const { state, watch } = scripted();
    const status = watching({}, { clock, watch });
    await passes(clock, 1000, () => status().state === 'watching');
    put('a.db');
    state.hear.get(root)?.('rename', null);
    expect(await passes(clock, 5000, () => service.paths.length === 1)).toBeLessThan(2000);
  });

  test('a directory that is too busy to be heard is looked through every second, and heard again later', async () => {
    const clock = new FakeClock();
    const { state, watch } = scripted();
    put('a.db');
    const status = watching({}, { clock, watch });
    await passes(clock, 1000, () => service.paths.length === 1);
    for (let event = 0; event < 2000; event++) state.hear.get(root)?.('change', 'a.db-wal');
    expect(state.closed).toBe(1);
    put('b.db');
    unlinkSync(join(root, 'a.db'));
    expect(await passes(clock, 5000, () => service.paths.join() === 'b.db')).toBeLessThan(3000);
    await passes(clock, 11_000, () => state.made === 2);
    expect(status()).toMatchObject({ state: 'watching', members: 1 });
  });

  test('a watch that cannot be set up is a state, a line, and a look every few seconds until it can', async () => {
    const clock = new FakeClock();
    const { state, watch } = scripted();
    state.fails = new LitestreamError('STORAGE_UNAVAILABLE', 'no watches are left', { hint: 'Raise the limit.' });
    put('sub/a.db');
    const status = watching({}, { clock, watch });
    await passes(clock, 1000, () => service.paths.length === 1);
    expect(status()).toMatchObject({ state: 'degraded', problems: [{ error: { message: 'no watches are left' } }, {}] });
    put('b.db');
    await passes(clock, 6000, () => service.paths.length === 2);
    const told = () => lines.filter((line) => line.startsWith('error'));
    expect(told()).toHaveLength(1);
    state.fails = undefined;
    await passes(clock, 11_000, () => status().state === 'watching');
    expect(state.made).toBe(2);
    expect(lines.at(-1)).toContain('is watched again');
  });

  test('a watch that ends is made anew', async () => {
    const clock = new FakeClock();
    const { state, watch } = scripted();
    const status = watching({}, { clock, watch });
    await passes(clock, 1000, () => status().state === 'watching');
    state.lose();
    expect(status().state).toBe('degraded');
    await passes(clock, 1000, () => status().state === 'watching');
    expect(state.made).toBe(2);
  });

  test('a directory that is replaced by another one is watched anew', async () => {
    const clock = new FakeClock();
    const { state, watch } = scripted();
    put('d/a.db');
    watching({ dir: join(root, 'd') }, { clock, watch });
    await passes(clock, 1000, () => service.paths.length === 1);
    renameSync(join(root, 'd'), join(root, 'old'));
    put('d/b.db');
    await passes(clock, 61_000, () => service.paths.join() === 'd/b.db');
    expect(state.made).toBe(2);
  });

  test('what is refused is tried again and stays visible', async () => {
    const clock = new FakeClock();
    const { watch } = scripted();
    service.refusal = new LitestreamError('CONFIG_INVALID', 'it belongs to another one');
    put('a.db');
    const status = watching({}, { clock, watch });
    await passes(clock, 1000, () => status().problems.length === 1);
    service.refusal = undefined;
    await passes(clock, 61_000, () => status().state === 'watching' && service.paths.length === 1);
    expect(lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
  });

  test('a directory that cannot be watched by the system is an error that says what to do', () => {
    expect(() =>
      watchDirectory(
        join(root, 'none'),
        () => {},
        () => {},
      ),
    ).toThrow(/watching the directory/);
  });
});

describe('the running set', () => {
  let setting: Setting;
  beforeEach(() => {
    setting = new Setting();
  });
  afterEach(() => setting.end());

  test('takes a database in and lets it go with its last change uploaded; its replica stays and is continued', async () => {
    const set = await setting.create();
    set.start();
    const app = await setting.application();
    await app.exec("INSERT INTO t (body) VALUES ('one')");
    await set.add(setting.entry());
    expect(set.databases.map(({ settings }) => settings.name)).toEqual(['app']);
    await expect(set.add(setting.entry())).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const [database] = set.databases;
    if (database === undefined) throw new Error('it is not there');
    await becomes(database, 'replicating');
    await settled(database);
    await app.exec("INSERT INTO t (body) VALUES ('in the last moment')");
    const [left, same] = await Promise.all([set.remove(database.settings.path, STOP), set.remove(database.settings.path, STOP)]);
    expect([left, same]).toEqual([[], []]);
    expect(set.databases).toEqual([]);
    expect(await setting.restoredDigest(app)).toBe(await app.digest());
    const before = await setting.remote('one').txids();
    await set.add(setting.entry());
    await app.exec("INSERT INTO t (body) VALUES ('again')");
    const [back] = set.databases;
    if (back === undefined) throw new Error('it is not there');
    await becomes(back, 'replicating');
    await settled(back);
    expect((await setting.remote('one').txids()).length).toBeGreaterThan(before.length);
    expect(await setting.restoredDigest(app)).toBe(await app.digest());
    await expect(set.remove('/nowhere.db', STOP)).rejects.toMatchObject({ code: 'DB_NOT_FOUND' });
  });

  test('lets a deleted database go, and takes the new one at its path in under later TXIDs', async () => {
    const set = await setting.create(setting.entry());
    set.start();
    const app = await setting.application();
    await app.exec("INSERT INTO t (body) VALUES ('one')");
    const [database] = set.databases;
    if (database === undefined) throw new Error('it is not there');
    await becomes(database, 'replicating');
    await settled(database);
    const old = await setting.remote('one').txids();
    await app.stop();
    for (const side of ['', '-wal', '-shm']) rmSync(setting.at(`app.db${side}`), { force: true });
    await set.remove(database.settings.path, STOP);
    const anew = await setting.application();
    await anew.exec("INSERT INTO t (body) VALUES ('another')");
    await set.add(setting.entry());
    const [back] = set.databases;
    if (back === undefined) throw new Error('it is not there');
    await becomes(back, 'replicating');
    await settled(back);
    const now = await setting.remote('one').txids();
    expect(now.slice(0, old.length)).toEqual(old);
    expect(now.length).toBeGreaterThan(old.length);
    expect(await setting.restoredDigest(anew)).toBe(await anew.digest());
  });

  test('takes nothing in while it stops', async () => {
    const set = await setting.create();
    set.start();
    await set.stop(STOP);
    await expect(set.add(setting.entry())).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });
});
