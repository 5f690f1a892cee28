import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../src/base/log.ts';
import { type ColdPlace, fingerprintOf } from '../../src/engine/cold/fingerprint.ts';
import { WatchThread } from '../../src/workers/watch-thread.ts';
import { until } from '../support/fake-clock.ts';

let directory: string;
let thread: WatchThread;
let noticed: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'watch-thread-'));
  noticed = [];
});

afterEach(async () => {
  await thread.close();
  rmSync(directory, { recursive: true, force: true });
});

function place(name: string): ColdPlace {
  const path = join(directory, `${name}.db`);
  writeFileSync(path, 'x');
  return { path, walPath: `${path}-wal`, fingerprint: fingerprintOf(path, `${path}-wal`) };
}

const write = (name: string): void => appendFileSync(join(directory, `${name}.db-wal`), 'x');

test('changes are told by the thread, and only of what is armed', async () => {
  thread = new WatchThread(silentLogger);
  for (const name of ['one', 'two', 'three']) expect(await thread.arm(name, place(name), () => void noticed.push(name))).toBe('armed');
  thread.disarm('two');
  for (const name of ['two', 'one']) write(name);
  await until(() => noticed.length > 0, 'a change is told');
  expect(noticed).toEqual(['one']);
});

test('a database that was armed anew is not woken by what was told of before', async () => {
  thread = new WatchThread(silentLogger);
  await thread.arm('one', place('one'), () => void noticed.push('first'));
  write('one');
  expect(await thread.arm('one', place('one'), () => void noticed.push('second'))).toBe('armed');
  write('one');
  await until(() => noticed.length > 0, 'a change is told');
  expect(noticed).toEqual(['second']);
});

test('whoever waits for the answer is let go when the database is woken, armed anew, or everything ends', async () => {
  thread = new WatchThread(silentLogger);
  const woken = thread.arm('one', place('one'), () => void noticed.push('one'));
  thread.disarm('one');
  const first = thread.arm('two', place('two'), () => void noticed.push('first'));
  const second = thread.arm('two', place('two'), () => void noticed.push('second'));
  const last = thread.arm('three', place('three'), () => void noticed.push('three'));
  await Promise.all([woken, first, second]);
  await thread.close();
  await last;
  expect(noticed).toEqual([]);
});

test('a thread that dies at once leaves nothing asleep that nobody watches', async () => {
  const entry = new URL(
    `data:text/javascript,${encodeURIComponent("import { parentPort } from 'node:worker_threads'; parentPort.once('message', (m) => { parentPort.postMessage({ kind: 'armed', id: m.id, name: m.name, result: 'armed' }); parentPort.once('message', () => process.exit(1)); });")}`,
  );
  thread = new WatchThread(silentLogger, entry);
  expect(await thread.arm('one', place('one'), () => void noticed.push('one'))).toBe('armed');
  expect(await thread.arm('two', place('two'), () => void noticed.push('two'))).toBe('unwatchable');
  await until(() => noticed.length > 0, 'the other one is woken');
  expect(noticed).toEqual(['one']);
});
