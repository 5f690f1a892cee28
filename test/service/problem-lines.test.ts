/** A problem that lasts for hours must not fill the log, and neither may one that comes and goes. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import type { LogFields, Logger, LogLevel } from '../../src/base/log.ts';
import type { DatabaseEngine } from '../../src/engine/database-engine.ts';
import type { DatabaseSettings } from '../../src/engine/options.ts';
import { Failures, ProblemLog } from '../../src/engine/upload/failures.ts';
import { type TXID, toTXID } from '../../src/formats/ltx/txid.ts';
import { pathLayout } from '../../src/replica/layout.ts';
import { wrapStore } from '../../src/replica/open.ts';
import { Replica } from '../../src/replica/replica.ts';
import { EngineKeeper, type OpenEngine } from '../../src/service/engine-keeper.ts';
import { type Askable, Floors } from '../../src/service/floors.ts';
import { ManagedReplica } from '../../src/service/managed-replica.ts';
import { Observer } from '../../src/service/observer.ts';
import type { DatabaseHandle, DatabaseState } from '../../src/service/service.ts';
import { MemoryStore } from '../../src/storage/memory/memory.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { FakeClock, settle, until } from '../support/fake-clock.ts';
import { FaultStore } from '../support/fault-store.ts';

interface Line {
  readonly at: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

let clock: FakeClock;
let lines: Line[];
let directory: string;
const log: Logger = {
  log: (level, message, fields = {}) => void lines.push({ at: clock.monotonic(), level, message, fields }),
  with: () => log,
};
const never = new AbortController().signal;

beforeEach(() => {
  clock = new FakeClock();
  lines = [];
  directory = mkdtempSync(join(tmpdir(), 'litestream-lines-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const failure = (code: 'ACCESS_DENIED' | 'STORAGE_UNAVAILABLE' | 'INTERNAL') => new LitestreamError(code, 'the test says no');

/** Lines of one message are at least 30 s apart, for each kind of failure. */
function expectQuiet(message: string): Line[] {
  const found = lines.filter((line) => line.message === message);
  const lastAt = new Map<unknown, number>();
  for (const { at, fields } of found) {
    const kind = fields.kind ?? (fields.error as { code?: string } | undefined)?.code ?? fields.code ?? fields.state;
    expect(at - (lastAt.get(kind) ?? Number.NEGATIVE_INFINITY), `${message} ${String(kind)}`).toBeGreaterThanOrEqual(30_000);
    lastAt.set(kind, at);
  }
  return found;
}

test('each kind of failure is told at once, then twice a minute with a count, and the end once', async () => {
  const problem = new ProblemLog(clock, log, { level: 'warn', failing: 'it fails', over: 'it works' });
  problem.succeeded();
  expect(lines).toEqual([]);
  for (let i = 0; i < 240; i++) {
    const kind = i % 2 === 0 ? 'a' : 'b';
    problem.failed(kind, { kind });
    await clock.advance(500);
  }
  const told = expectQuiet('it fails');
  expect(told.map(({ at, fields }) => [at, fields.kind, fields.failures]).slice(0, 4)).toEqual([
    [0, 'a', 1],
    [500, 'b', 2],
    [30_000, 'a', 61],
    [30_500, 'b', 62],
  ]);
  expect(told).toHaveLength(8);
  problem.succeeded();
  problem.succeeded();
  expect(lines.slice(8)).toMatchObject([{ level: 'info', message: 'it works', fields: { failures: 240 } }]);
});

test('what comes and goes is told twice a minute, and nothing is lost of the count', async () => {
  const problem = new ProblemLog(clock, log, { level: 'warn', failing: 'it fails', over: 'it works' });
  for (let i = 0; i < 60; i++) {
    problem.failed('a', {});
    await clock.advance(500);
    problem.succeeded();
    await clock.advance(500);
  }
  problem.failed('a', {});
  expect(expectQuiet('it fails').map(({ fields }) => fields.failures)).toEqual([1, 30, 30]);
  expect(expectQuiet('it works')).toHaveLength(2);
});

test('uploads that fail for another reason than before say so at once, also when the wall clock goes back', async () => {
  const failures = new Failures(clock, log, 1000);
  failures.add(failure('STORAGE_UNAVAILABLE'));
  failures.add(failure('STORAGE_UNAVAILABLE'));
  failures.add(failure('ACCESS_DENIED'));
  expect(lines.map(({ fields }) => (fields.error as { code: string }).code)).toEqual(['STORAGE_UNAVAILABLE', 'ACCESS_DENIED']);
  clock.now = () => 0;
  await clock.advance(30_000);
  failures.add(failure('ACCESS_DENIED'));
  expect(lines).toHaveLength(3);
  expect(lines.at(-1)?.fields).toMatchObject({ failures: 4, retry_in_ms: 300_000 });
});

/** A replica on a store that the test breaks. */
function managed(wrap: (store: ObjectStore) => ObjectStore = (store) => store): { store: FaultStore; replica: ManagedReplica } {
  const store = new FaultStore(new MemoryStore({ clock, capabilities: { conditionalPut: true } }));
  const settings = { name: 'one', store: { type: 'file', path: '/unused' }, syncIntervalMs: 1000, maxSyncFiles: 10 } as const;
  const database = { name: 'app', metaPath: directory } as DatabaseSettings;
  const replica = new Replica(wrap(store), pathLayout);
  return { store, replica: new ManagedReplica({ database, settings, replica, clock, log, lagBudgetMs: 1000, onUploadFailed: () => {} }) };
}

test('a replica that hangs at every question for an hour is told twice a minute at most, and its return once', async () => {
  const { store, replica } = managed();
  store.script({ on: 'list', fault: { type: 'hang' }, times: Number.POSITIVE_INFINITY });
  for (let i = 0; i < 720; i++) {
    const asked = replica.findPosition(never, 5000);
    await clock.advance(5000);
    expect(await asked).toBeUndefined();
  }
  const told = expectQuiet('the replica cannot be asked for its position');
  expect(told).toHaveLength(120);
  expect(told.at(-1)?.fields).toMatchObject({ error: { code: 'TIMEOUT' }, failures: 715 });
  expect(replica.isRefusing).toBe(false);
  store.heal();
  for (let i = 0; i < 3; i++) expect(await replica.findPosition(never, 5000)).toBe(0n);
  expect(lines.slice(120)).toMatchObject([
    { level: 'info', message: 'the replica has said what its position is', fields: { failures: 720 } },
  ]);
});

test('a question without an answer in time is told with what its requests fail with, not as a silence', async () => {
  const { store, replica } = managed((inner) => wrapStore(inner, { type: 's3', bucket: 'b', path: '' }, { clock }));
  store.script({ on: 'list', fault: { type: 'error', error: failure('STORAGE_UNAVAILABLE') }, times: Number.POSITIVE_INFINITY });
  const asked = replica.findPosition(never, 5000);
  for (let i = 0; i < 50; i++) await clock.advance(100);
  expect(await asked).toBeUndefined();
  const told = expectQuiet('the replica cannot be asked for its position');
  expect(told).toMatchObject([{ at: 5000, fields: { error: { code: 'STORAGE_UNAVAILABLE', message: 'the test says no' } } }]);
});

test('a refusal is one line, of the uploads; questions and further attempts add none within half a minute', async () => {
  const { store, replica } = managed();
  store.script({ on: 'list', fault: { type: 'error', error: failure('ACCESS_DENIED') }, times: Number.POSITIVE_INFINITY });
  expect(await replica.findPosition(never, 5000)).toBeUndefined();
  expect(replica.isRefusing).toBe(true);
  replica.start({ raise: async () => {}, bridge: () => Promise.reject(failure('INTERNAL')), confirmed: () => {} });
  await until(() => replica.status().lastError !== undefined, 'an upload has failed');
  for (let i = 0; i < 1200; i++) {
    await replica.findPosition(never, 5000);
    await clock.advance(500);
  }
  await until(() => (replica.status().lastError?.attempts ?? 0) >= 2, 'another attempt was made');
  const told = expectQuiet('upload failed');
  expect(told.length).toBeGreaterThanOrEqual(2);
  expect(lines.filter(({ level }) => level !== 'debug')).toEqual(told);
  await replica.finish({ deadlineMs: 1, retryMs: 1, signal: AbortSignal.abort() });
});

test('a lost engine is told twice a minute at most, however often it dies, and that it works again once', async () => {
  const listeners: Parameters<OpenEngine>[2][] = [];
  const openEngine: OpenEngine = (_settings, _facts, listener) => {
    listeners.push(listener);
    return { raise: () => Promise.reject(failure('INTERNAL')), close: async () => {} } as unknown as DatabaseEngine;
  };
  const settings = { name: 'app', metaPath: directory } as DatabaseSettings;
  const floors = new Floors([], clock);
  const keeper = new EngineKeeper({ settings, floors, clock, log, openEngine, onEvent: () => {} });
  keeper.open();
  for (let death = 0; death < 12; death++) {
    await clock.advance(0);
    listeners.at(-1)?.onStopped(failure('INTERNAL'));
    await clock.advance(clock.nextDelay ?? 0);
  }
  const told = expectQuiet('the engine was lost; opening it again');
  expect(told.length).toBeGreaterThanOrEqual(2);
  expect(told.length).toBeLessThan(12);
  expectQuiet('raising the position failed; it is done when the engine is opened again');
  for (let i = 0; i < 3; i++) listeners.at(-1)?.onEvent({ type: 'state', state: 'replicating' });
  expect(lines.filter(({ message }) => message === 'the engine works again')).toMatchObject([{ fields: { failures: 12 } }]);
  await keeper.close(never);
});

test('a database whose state changes with every look is told twice a minute, and the log ends with what holds', async () => {
  const states: DatabaseState[] = ['failing', 'replicating'];
  let looks = 0;
  let now: DatabaseState | undefined;
  const status = async () => ({ state: now ?? states[looks++ % 2], engine: {}, unprotectedSeconds: 1 });
  const observer = new Observer(
    { databases: [{ settings: { name: 'app' }, replicas: [], status } as unknown as DatabaseHandle] },
    clock,
    log,
  );
  observer.start();
  await clock.advance(600_000);
  const told = expectQuiet('the database is not protected as it should be');
  expectQuiet('the database is protected again');
  expect(told.length).toBeGreaterThan(2);
  for (const state of ['failing', 'replicating', 'failing'] as const) {
    now = state;
    await clock.advance(35_000);
    expect(lines.at(-1)?.fields.state).toBe(state);
  }
  observer.stop();
  await settle();
});

const askable = (findPosition: Askable['findPosition'], isRefusing = false): Askable => ({ findPosition, isRefusing });

test('asking ends at once when a replica refuses, and the questions that hang are given up', async () => {
  let hanging: AbortSignal | undefined;
  const hangs = askable((signal) => {
    hanging = signal;
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)));
  });
  const floors = new Floors([hangs, askable(async () => undefined, true), askable(async () => toTXID(3))], clock);
  await floors.askWhileUseful(never, 500);
  expect(floors).toMatchObject({ areKnown: false, areRefused: true, highest: 3n });
  expect(hanging?.aborted).toBe(true);
  expect(clock.sleeping).toBe(0);
});

test('asking goes on while a replica only fails, at its distance, until it answers or the signal ends it', async () => {
  let asked = 0;
  let answer: TXID | undefined;
  const answering = askable(async () => {
    asked += 1;
    return answer;
  });
  const floors = new Floors([answering], clock);
  const asking = floors.askWhileUseful(never, 500);
  await clock.advance(1999);
  expect(asked).toBe(4);
  answer = toTXID(7);
  await clock.advance(1);
  await asking;
  expect(floors.areKnown).toBe(true);
  const stop = new AbortController();
  const silent = new Floors([askable(async () => undefined)], clock);
  const ended = expect(silent.askWhileUseful(stop.signal, 500)).rejects.toThrow('enough');
  await settle();
  stop.abort(new Error('enough'));
  await ended;
});
