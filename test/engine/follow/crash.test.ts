import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { type FollowDisk, followDisk } from '../../../src/engine/follow/disk.ts';
import { ended, kill } from '../../../tools/processes.ts';
import type { App } from '../../support/app-process.ts';
import { Random, seedFromEnvironment } from '../../support/random.ts';
import { look, Scene } from './scene.ts';

const CHILD = fileURLToPath(new URL('./follow-child.ts', import.meta.url));

const scenes: Scene[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => kill(child)));
  await Promise.all(scenes.splice(0).map((scene) => scene.end()));
});

function newScene(seed: number): Scene {
  const scene = new Scene(seed);
  scenes.push(scene);
  return scene;
}

interface Follower {
  readonly child: ChildProcess;
  readonly notes: { readonly type: string; readonly txid: number; readonly steps: readonly string[] }[];
  readonly errors: () => string;
}

function startChild(scene: Scene, step?: number): Follower {
  const child = spawn(process.execPath, [CHILD, scene.root, scene.copy, ...(step === undefined ? [] : [String(step)])]);
  children.push(child);
  const notes: Follower['notes'] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => notes.push(JSON.parse(line)));
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return { child, notes, errors: () => errors };
}

/** A copy at some state, and a replica that is further. */
async function behind(seed: number, pageSize?: number): Promise<Scene> {
  const scene = newScene(seed);
  for (let i = 0; i < 12; i++) scene.primary.step();
  const begun = await scene.begin();
  await scene.catchUp(begun);
  scene.close(begun);
  // Pages change, come and go.
  for (let i = 0; i < 4; i++) scene.primary.step(12);
  if (pageSize !== undefined) scene.primary.changePageSize(pageSize);
  return scene;
}

/** The steps the child takes from going on to being up to date. */
async function listSteps(seed: number, pageSize?: number): Promise<readonly string[]> {
  const scene = await behind(seed, pageSize);
  const { child, notes } = startChild(scene);
  await expect.poll(() => notes.some(({ type }) => type === 'current')).toBe(true);
  await kill(child);
  return notes.find(({ type }) => type === 'current')?.steps ?? [];
}

/** Kills the follower before one step, looks as a reader, then goes on to the end. */
async function crashAt(step: number, seed: number, pageSize?: number): Promise<'old' | 'new'> {
  const scene = await behind(seed, pageSize);
  const { child } = startChild(scene, step);
  await ended(child);
  expect(child.signalCode, `step ${step}`).toBe('SIGKILL');
  const app = await scene.reader();
  await expectNoLie(app, step);
  const seen = await look(app);
  expect(seen, `step ${step}`).toMatchObject({ ok: true, check: 'ok' });
  expect([12, 16], `step ${step}`).toContain(seen.n);
  await scene.expectState(app, seen.n === 12 ? 12 : scene.primary.txid);
  const begun = await scene.begin();
  await scene.catchUp(begun);
  await scene.expectState(app);
  return seen.n === 12 ? 'old' : 'new';
}

/** A connection for reading only cannot put back what a crash left: it then gets an error, not another state. */
async function expectNoLie(app: App, step: number): Promise<void> {
  const answer = await app
    .run(({ open }) => open('strict', undefined, { readonly: true }).prepare('SELECT n FROM n').pluck().get() as number)
    .catch(({ code }: { code?: string }) => code);
  expect([12, 16, 'SQLITE_READONLY_ROLLBACK'], `step ${step}`).toContain(answer);
  await app.close('strict');
}

test('a follower killed before any step leaves the old or the new state to readers, and goes on from there', {
  timeout: 240_000,
}, async () => {
  const steps = await listSteps(7);
  expect(steps.length).toBeGreaterThan(20);
  const chosen = chooseSteps(steps);
  const outcomes: string[] = [];
  for (let at = 0; at < chosen.length; at += 2)
    outcomes.push(...(await Promise.all(chosen.slice(at, at + 2).map((step) => crashAt(step, 7)))));
  expect(new Set(outcomes)).toEqual(new Set(['old', 'new']));
  // Once the new state is seen, later steps do not lose it.
  expect(outcomes.indexOf('new')).toBe(outcomes.length - outcomes.filter((outcome) => outcome === 'new').length);
});

/** Every step when there is time; else those around the change itself, which ends by the only truncation, and one that prepares it. */
function chooseSteps(names: readonly string[]): number[] {
  const end = names.lastIndexOf('truncate');
  const isChosen = (step: number) => step === 6 || (step > end - 7 && step < end + 4);
  return [...names.keys()].filter((step) => process.env.LITESTREAM_TEST_LONG === '1' || isChosen(step));
}

test('the same in the middle of a change of the page size, where nothing of the old file is left', { timeout: 240_000 }, async () => {
  const end = (await listSteps(10, 4096)).lastIndexOf('truncate');
  expect(await Promise.all([crashAt(end, 10, 4096), crashAt(end + 2, 10, 4096), crashAt(end + 3, 10, 4096)])).toEqual([
    'old',
    'old',
    'new',
  ]);
});

/** A disk whose step `failing` throws. */
function failingDisk(failing: number): { readonly disk: FollowDisk; readonly steps: readonly string[] } {
  const steps: string[] = [];
  const disk = Object.fromEntries(
    Object.entries(followDisk).map(([name, work]) => [
      name,
      (...args: never[]) => {
        if (steps.push(name) === failing + 1 && name !== 'close') throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
        return (work as (...values: never[]) => unknown)(...args);
      },
    ]),
  ) as unknown as FollowDisk;
  return { disk, steps };
}

/** Follows with a disk that fails once, then with what is left; returns the steps until then. */
async function failAt(seed: number, failing: number): Promise<readonly string[]> {
  const scene = await behind(seed);
  const { disk, steps } = failingDisk(failing);
  scene.disk = disk;
  const begun = await scene.begin().catch(() => scene.begin());
  const app = await scene.reader();
  const hasFailed = await scene.catchUp(begun).then(
    () => false,
    () => true,
  );
  const taken = [...steps];
  const { n, ok, check } = await look(app);
  expect({ ok, check }, `step ${failing}`).toEqual({ ok: true, check: 'ok' });
  expect([12, 16], `step ${failing}`).toContain(n);
  await scene.expectState(app, n);
  if (hasFailed) await scene.catchUp(begun);
  await scene.expectState(app, 16);
  expect(existsSync(`${scene.copy}-journal`)).toBe(false);
  await scene.end();
  scenes.splice(scenes.indexOf(scene), 1);
  return taken;
}

test('a step that fails leaves the old or the new state, and the next round goes on', { timeout: 240_000 }, async () => {
  const steps = await failAt(8, Number.POSITIVE_INFINITY);
  for (const step of chooseSteps(steps)) await failAt(8, step);
});

test('at each moment the disk holds what a crash of the machine would need', async () => {
  const scene = await behind(9);
  const names = new Map<number, string>();
  const log: string[] = [];
  const short = (path: string) => path.replace(`${scene.directory}/`, '').replace('.copy.db-follow-litestream', 'F');
  scene.disk = {
    ...followDisk,
    create: (path) => {
      const fd = followDisk.create(path);
      names.set(fd, short(path));
      return fd;
    },
    open: (path) => {
      const fd = followDisk.open(path);
      names.set(fd, short(path));
      return fd;
    },
    write: (fd, bytes, position) => {
      const line = `write ${names.get(fd)}`;
      if (log.at(-1) !== line) log.push(line);
      followDisk.write(fd, bytes, position);
    },
    truncate: (fd, size) => {
      log.push(`truncate ${names.get(fd)}`);
      followDisk.truncate(fd, size);
    },
    sync: (fd) => {
      log.push(`sync ${names.get(fd)}`);
      followDisk.sync(fd);
    },
    rename: (from, to) => {
      log.push(`rename ${short(from)} ${short(to)}`);
      followDisk.rename(from, to);
    },
    unlink: (path) => {
      log.push(`unlink ${short(path)}`);
      followDisk.unlink(path);
    },
    syncDirectory: (path) => {
      log.push(`sync ${path === scene.directory ? '.' : short(path)}/`);
      followDisk.syncDirectory(path);
    },
  };
  const begun = await scene.begin();
  await begun.follower.round();
  expect(log).toEqual([
    'write F/image',
    // The old pages, whole, before they get a name that counts.
    'write F/journal',
    'sync F/journal',
    // Both states with their change counters.
    'write F/state.json.tmp',
    'sync F/state.json.tmp',
    'rename F/state.json.tmp F/state.json',
    'sync F/',
    // From here on a crash leads back.
    'rename F/journal copy.db-journal',
    'sync ./',
    'write copy.db',
    'truncate copy.db',
    'sync copy.db',
    // From here on it does not.
    'unlink copy.db-journal',
    'write copy.db-txid.tmp',
    'sync copy.db-txid.tmp',
    'rename copy.db-txid.tmp copy.db-txid',
    'sync ./',
  ]);
});

test('readers never see a torn state while increments come at full speed and the follower is killed again and again (row 64)', {
  timeout: 240_000,
}, async () => {
  const seed = seedFromEnvironment();
  const random = new Random(seed);
  const thorough = process.env.LITESTREAM_TEST_LONG === '1';
  const scene = newScene(seed);
  scene.primary.step();
  let follower = startChild(scene);
  await expect.poll(() => existsSync(scene.copy)).toBe(true);
  const apps = await Promise.all([scene.reader(), scene.reader()]);
  let running = true;
  let looks = 0;
  const watch = async (app: App): Promise<void> => {
    let last = 0;
    while (running) {
      const { n, ok, check } = await look(app);
      expect({ ok, check }, `seed ${seed}, n ${n}`).toEqual({ ok: true, check: 'ok' });
      expect(n, `seed ${seed}`).toBeGreaterThanOrEqual(last);
      last = n;
      looks++;
    }
  };
  const watching = Promise.all(apps.map(watch));
  const produce = async (): Promise<void> => {
    while (running) {
      scene.primary.step();
      await new Promise((resolve) => setTimeout(resolve, random.between(0, 8)));
    }
  };
  const producing = produce();
  const quiet = await scene.reader();
  for (let round = thorough ? 60 : 6; round > 0 || looks <= 50; round--) {
    await new Promise((resolve) => setTimeout(resolve, random.between(150, 700)));
    await kill(follower.child);
    expect(follower.errors(), `seed ${seed}`).toBe('');
    // Nobody writes now: the file as it is must be one of the states, whole.
    const { n } = await look(quiet);
    await scene.expectState(quiet, n);
    follower = startChild(scene);
  }
  running = false;
  await Promise.all([watching, producing]);
  await expect.poll(async () => (await look(quiet)).n).toBe(scene.primary.txid);
  await scene.expectState(quiet);
  expect(looks).toBeGreaterThan(50);
  expect(existsSync(join(scene.directory, 'copy.db-wal'))).toBe(false);
});
