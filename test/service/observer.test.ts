import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ErrorData } from '../../src/base/errors.ts';
import type { Logger } from '../../src/base/log.ts';
import { CaptureCheck } from '../../src/service/capture-check.ts';
import { limited } from '../../src/service/limited.ts';
import { Observer } from '../../src/service/observer.ts';
import type { DatabaseHandle, DatabaseState } from '../../src/service/service.ts';
import { StopDeadline } from '../../src/service/stop-limits.ts';
import { FakeClock, settle, until } from '../support/fake-clock.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'litestream-observer-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('a database that is not protected is told once, again when the reason changes, every ten minutes, and when it is over', async () => {
  const clock = new FakeClock();
  const told: string[] = [];
  const log: Logger = {
    log: (level, message, fields = {}) => void told.push(`${level}: ${message} (${fields.code ?? fields.state})`),
    with: () => log,
  };
  let now: { state: DatabaseState; error?: ErrorData } = { state: 'replicating' };
  const status = async () => ({ ...now, engine: { state: 'replicating' }, unprotectedSeconds: 1 });
  const database = { settings: { name: 'app' }, replicas: [], status } as unknown as DatabaseHandle;
  const observer = new Observer({ databases: [database] }, clock, log);
  observer.start();
  await clock.advance(10_000);
  expect(told).toEqual([]);
  now = { state: 'failing', error: { code: 'STORAGE_UNAVAILABLE', message: 'away' } };
  await clock.advance(60_000);
  expect(told).toEqual(['error: the database is not protected as it should be (STORAGE_UNAVAILABLE)']);
  now = { state: 'failing', error: { code: 'DISK_FULL', message: 'full' } };
  await clock.advance(5000);
  expect(told.at(-1)).toContain('DISK_FULL');
  await clock.advance(600_000);
  expect(told).toHaveLength(3);
  now = { state: 'replicating' };
  await clock.advance(10_000);
  expect(told.slice(3)).toEqual(['info: the database is protected again (replicating)']);
  observer.stop();
  await settle();
  expect(clock.sleeping).toBe(0);
});

test('a database that is closed and well is looked at every two minutes', async () => {
  const clock = new FakeClock();
  let looks = 0;
  let isCold = false;
  let state: DatabaseState = 'replicating';
  const database = {
    settings: { name: 'app' },
    replicas: [{ look: () => looks++ }],
    status: async () => ({ state, unprotectedSeconds: 0 }),
    get isCold() {
      return isCold;
    },
  } as unknown as DatabaseHandle;
  const observer = new Observer({ databases: [database] }, clock, { log: () => {}, with: () => ({}) as Logger });
  observer.start();
  await clock.advance(60_000);
  expect(looks).toBe(12);
  isCold = true;
  looks = 0;
  await clock.advance(240_000);
  expect(looks).toBe(2);
  state = 'failing';
  await clock.advance(120_000);
  looks = 0;
  await clock.advance(60_000);
  expect(looks).toBe(12);
  state = 'replicating';
  isCold = false;
  await clock.advance(60_000);
  expect(looks).toBeGreaterThan(10);
  observer.stop();
});

const pass = (more: { error?: ErrorData } = {}) =>
  ({ type: 'pass', durationMs: 100, dbSize: 1, walOffset: 1, diskFull: false, ...more }) as const;

test('changes that no look has seen are noticed by the files alone', async () => {
  const clock = new FakeClock(10_000_000);
  const path = join(directory, 'app.db');
  const check = new CaptureCheck(path, clock);
  const wal = (at: number) => {
    writeFileSync(`${path}-wal`, '');
    utimesSync(`${path}-wal`, at / 1000, at / 1000);
  };
  await clock.advance(5000);
  expect(await check.unseenSeconds()).toBe(0); // there is nothing at all
  writeFileSync(path, '');
  expect(await check.unseenSeconds()).toBe(5); // a database that was never looked at
  check.observe(pass({ error: { code: 'DISK_FULL', message: 'full' } }));
  expect(await check.unseenSeconds()).toBe(5); // a look that failed is none
  check.observe(pass());
  expect(await check.unseenSeconds()).toBe(0);
  wal(10_004_000);
  expect(await check.unseenSeconds()).toBe(0);
  wal(10_006_000);
  await clock.advance(10_000);
  expect(await check.unseenSeconds()).toBe(10.1);
  check.observe(pass());
  expect(await check.unseenSeconds()).toBe(0);
});

test('a call that hangs ends with TIMEOUT, one that is aborted with its reason, and neither leaves a timer', async () => {
  const clock = new FakeClock();
  const call = limited({ clock, ms: 1000, what: 'asking' }, () => new Promise(() => {})).catch((error: unknown) => error);
  await clock.advance(999);
  await clock.advance(1);
  expect(await call).toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('asking') });
  const stop = new AbortController();
  const aborted = limited({ clock, ms: 1000, what: 'asking', signal: stop.signal }, () => new Promise(() => {})).catch(
    (error: unknown) => error,
  );
  stop.abort('enough');
  expect(await aborted).toBe('enough');
  expect(await limited({ clock, ms: 1000, what: 'asking' }, async () => 7)).toBe(7);
  expect(await limited({ clock, ms: 1000, what: 'asking', signal: stop.signal }, async () => 7).catch((error: unknown) => error)).toBe(
    'enough',
  );
  expect(clock.sleeping).toBe(0);
});

test('one deadline counts for everything that stopping waits for, and a skip leaves a short grace', async () => {
  const clock = new FakeClock();
  const skip = new AbortController();
  const deadline = new StopDeadline({ deadlineMs: 5000, retryMs: 10, signal: skip.signal }, clock);
  await clock.advance(3000);
  expect(deadline.rest()).toMatchObject({ deadlineMs: 2000, retryMs: 10 });
  expect(deadline.signal.aborted).toBe(false);
  await clock.advance(2000);
  await until(() => deadline.signal.aborted, 'the deadline has passed');
  expect(deadline.rest().deadlineMs).toBe(1); // 0 would mean: as long as it takes
  deadline.release();

  const endless = new StopDeadline({ deadlineMs: 0, retryMs: 10, signal: skip.signal }, clock);
  await clock.advance(1_000_000);
  expect(endless.signal.aborted).toBe(false);
  expect(endless.rest().deadlineMs).toBe(0);
  skip.abort();
  await clock.advance(1999);
  expect(endless.signal.aborted).toBe(false);
  await clock.advance(1);
  expect(endless.signal.aborted).toBe(true);
  endless.release();
  expect(clock.sleeping).toBe(0);
});
