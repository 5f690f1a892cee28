import { appendFileSync, linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ArmResult, NoticedBy } from '../../../src/engine/cold/cold-watch.ts';
import { ColdWatcher } from '../../../src/engine/cold/cold-watcher.ts';
import { type ColdPlace, fingerprintOf, hasChanged } from '../../../src/engine/cold/fingerprint.ts';
import { FakeClock, settle, until } from '../../support/fake-clock.ts';

let directory: string;
let clock: FakeClock;
let watcher: ColdWatcher;
let noticed: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cold-watch-'));
  clock = new FakeClock();
  watcher = new ColdWatcher(clock);
  noticed = [];
});

afterEach(() => {
  for (const name of ['app', 'other']) watcher.disarm(name);
  rmSync(directory, { recursive: true, force: true });
});

const at = (name: string): string => join(directory, name);

function place(name = 'app'): ColdPlace {
  const path = at(`${name}.db`);
  return { path, walPath: `${path}-wal`, fingerprint: fingerprintOf(path, `${path}-wal`) };
}

const make = (name = 'app'): void => {
  for (const suffix of ['', '-wal', '-shm']) writeFileSync(at(`${name}.db${suffix}`), 'content');
};

const arm = (name = 'app', where = place(name)): Promise<ArmResult> =>
  watcher.arm(name, where, (by: NoticedBy) => void noticed.push(`${name} by ${by}`));

/** Events have had their time. */
const eventsArrive = () => new Promise((resolve) => setTimeout(resolve, 100));

test.each([
  ['a write to the WAL', () => appendFileSync(at('app.db-wal'), 'more')],
  ['a write of the same length', () => writeFileSync(at('app.db-wal'), 'CONTENT')],
  ['a write to the database', () => appendFileSync(at('app.db'), 'more')],
  ['the removal of the WAL', () => rmSync(at('app.db-wal'))],
  [
    'another file in its place',
    () => {
      make('app2');
      renameSync(at('app2.db'), at('app.db'));
    },
  ],
  [
    'a write whose modification time is set back',
    () => {
      writeFileSync(at('app.db-wal'), 'CONTENT');
      utimesSync(at('app.db-wal'), 1, 1);
    },
  ],
])('%s is noticed at once, and once only', async (_, act) => {
  make();
  utimesSync(at('app.db-wal'), 1, 1);
  expect(await arm()).toBe('armed');
  act();
  await until(() => noticed.length > 0, 'it is noticed');
  appendFileSync(at('app.db-wal'), 'and more');
  await eventsArrive();
  expect(noticed).toEqual(['app by events']);
});

test('what others do in the directory, and what does not change the files, is not told', async () => {
  make();
  make('busy');
  expect(await arm()).toBe('armed');
  for (let i = 0; i < 1000; i++) appendFileSync(at('busy.db-wal'), 'x');
  appendFileSync(at('app.db-shm'), 'x');
  mkdirSync(at('app.db-journal'));
  await eventsArrive();
  expect(noticed).toEqual([]);
});

test('what was written before the watch was armed is told by its answer', async () => {
  make();
  const before = place();
  appendFileSync(at('app.db-wal'), 'more');
  expect(await arm('app', before)).toBe('changed');
  appendFileSync(at('app.db-wal'), 'more');
  await eventsArrive();
  expect(noticed).toEqual([]);
});

test('a change without an event is found by looking, within seconds', async () => {
  make();
  make('other');
  mkdirSync(at('elsewhere'));
  // Written through another name in another directory, where nobody listens.
  linkSync(at('app.db-wal'), at('elsewhere/wal'));
  expect(await arm()).toBe('armed');
  expect(await arm('other')).toBe('armed');
  appendFileSync(at('elsewhere/wal'), 'more');
  await eventsArrive();
  expect(noticed).toEqual([]);
  await clock.advance(10_000);
  expect(noticed).toEqual(['app by sweep']);
});

test('a thousand are looked at in slices, each within ten seconds, and none when nothing is watched', async () => {
  const names = Array.from({ length: 1000 }, (_, index) => `n${index}`);
  for (const name of names) {
    const missing = { path: at(`${name}.db`), walPath: at(`${name}.db-wal`), fingerprint: 'something else' };
    // Equal when it is armed, different when it is looked at.
    const where = { ...missing, fingerprint: fingerprintOf(missing.path, missing.walPath) };
    expect(await watcher.arm(name, where, (by) => void noticed.push(by))).toBe('armed');
    Object.assign(where, { fingerprint: 'something else' });
  }
  await clock.advance(1000);
  expect(noticed).toHaveLength(100);
  await clock.advance(15_000);
  expect(new Set(noticed)).toEqual(new Set(['sweep']));
  expect(noticed).toHaveLength(1000);
  await settle();
  expect(clock.sleeping).toBe(0);
});

test('a database whose directory does not exist yet is noticed when it comes', async () => {
  const path = at('later/app.db');
  const where = { path, walPath: `${path}-wal`, fingerprint: fingerprintOf(path, `${path}-wal`) };
  expect(await arm('app', where)).toBe('armed');
  mkdirSync(at('later'));
  await eventsArrive();
  expect(noticed).toEqual([]);
  writeFileSync(path, 'x');
  await until(() => noticed.length > 0, 'it is noticed');
});

test('a link that leads to another file counts as a change', () => {
  make('one');
  make('two');
  symlinkSync(at('one.db'), at('app.db'));
  const where = { path: at('app.db'), walPath: at('one.db-wal'), fingerprint: fingerprintOf(at('app.db'), at('one.db-wal')) };
  expect(hasChanged(where)).toBe(false);
  rmSync(at('app.db'));
  symlinkSync(at('two.db'), at('app.db'));
  expect(hasChanged(where)).toBe(true);
});
