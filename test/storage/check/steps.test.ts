import { beforeEach, describe, expect, test } from 'vitest';
import { type ErrorCode, LitestreamError } from '../../../src/base/errors.ts';
import { type CheckReport, checkStore } from '../../../src/storage/check/steps.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { ObjectInfo, PutBody, PutOptions } from '../../../src/storage/object-store.ts';
import { WrappedStore } from '../../../src/storage/wrap/wrapped-store.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FaultStore, type StoreVerb } from '../../support/fault-store.ts';
import { listKeys, patternBytes, putBytes } from '../contract/bodies.ts';

const outcomes = ({ steps }: CheckReport) => Object.fromEntries(steps.map(({ name, outcome }) => [name, outcome]));
const failure = (code: ErrorCode) => new LitestreamError(code, 'scripted');

/** Accepts conditions and ignores them. */
class Careless extends WrappedStore {
  override put(key: string, body: PutBody, { ifAbsent: _, ifMatch: __, ...options }: PutOptions = {}): Promise<ObjectInfo> {
    return this.inner.put(key, body, options);
  }
}

describe('check of a destination', () => {
  let clock: FakeClock;
  let faults: FaultStore;
  beforeEach(async () => {
    clock = new FakeClock();
    faults = new FaultStore(new MemoryStore({ clock }));
    await putBytes(faults, 'db/ltx/0/file', patternBytes(10));
    faults.calls.length = 0;
  });
  const check = () => checkStore(faults, 'db/check', { clock });

  test('a destination that can do everything passes every step, in few requests, and is left as it was', async () => {
    const report = await check();
    expect(new Set(Object.values(outcomes(report)))).toEqual(new Set(['passed']));
    expect(report.leftovers).toEqual([]);
    expect(faults.calls.length).toBeLessThanOrEqual(12);
    expect(faults.calls.every(({ key }) => key.startsWith('db/check-'))).toBe(true);
    expect(await listKeys(faults)).toEqual(['db/ltx/0/file']);
  });

  test('what a destination does not offer is missing, not failed', async () => {
    faults = new FaultStore(
      new MemoryStore({ clock, capabilities: { conditionalPut: false, conditionalReplace: false, timestamps: 'none' } }),
    );
    const report = await check();
    expect(outcomes(report)).toMatchObject({ write: 'passed', time: 'missing', create: 'missing', replace: 'missing', delete: 'passed' });
    expect(report.steps.filter(({ outcome }) => outcome === 'missing').every(({ note }) => note !== undefined)).toBe(true);
  });

  test('conditions that are accepted and ignored are failures', async () => {
    const report = await checkStore(new Careless(faults), 'db/check', { clock });
    expect(outcomes(report)).toMatchObject({ write: 'passed', create: 'failed', delete: 'passed' });
    expect(report.steps.find(({ name }) => name === 'create')?.error).toMatchObject({ message: expect.stringContaining('ignored') });
  });

  test.each([
    ['put', 'ACCESS_DENIED', { write: 'failed', read: 'skipped', list: 'passed', delete: 'skipped' }],
    ['put', 'CONTAINER_NOT_FOUND', { write: 'failed', stat: 'skipped', create: 'skipped' }],
    ['open', 'ACCESS_DENIED', { write: 'passed', read: 'failed', list: 'passed', delete: 'passed' }],
    ['list', 'ACCESS_DENIED', { write: 'passed', list: 'failed', create: 'passed', delete: 'passed' }],
    ['stat', 'ACCESS_DENIED', { write: 'passed', stat: 'failed', time: 'skipped', delete: 'failed' }],
    ['delete', 'ACCESS_DENIED', { write: 'passed', create: 'passed', delete: 'failed', 'delete-missing': 'skipped' }],
  ] as const)('%s that fails with %s fails its own step and no other', async (verb, code, expected) => {
    faults.script({ on: verb, times: 100, fault: { type: 'error', error: failure(code) } });
    const report = await check();
    expect(outcomes(report)).toMatchObject(expected);
    expect(report.steps.filter(({ outcome }) => outcome === 'failed').every(({ error }) => (error as LitestreamError).code === code)).toBe(
      true,
    );
  });

  test('a login that may not list is refused a look at what it has deleted, which is no failure', async () => {
    const passes = { on: 'stat', fault: { type: 'wait', gate: Promise.resolve() } } as const;
    faults.script(passes, { on: 'stat', fault: { type: 'error', error: failure('ACCESS_DENIED') } });
    expect(outcomes(await check())).toMatchObject({ stat: 'passed', delete: 'passed', 'delete-missing': 'passed' });
  });

  test('names the objects it could not delete', async () => {
    faults.script({ on: 'delete', times: 100, fault: { type: 'error', error: failure('ACCESS_DENIED') } });
    const { leftovers } = await check();
    const left = (await listKeys(faults)).filter((key) => key.startsWith('db/check-'));
    expect(leftovers).toEqual(left);
    expect(left).not.toEqual([]);
  });

  test.each(['stat', 'open', 'list'] satisfies StoreVerb[])('cleans up after %s has failed', async (verb) => {
    faults.script({ on: verb, times: 1, fault: { type: 'error', error: failure('STORAGE_UNAVAILABLE') } });
    await check();
    expect(await listKeys(faults)).toEqual(['db/ltx/0/file']);
  });

  test('cleans up when it is aborted in the middle, and ends with the reason', async () => {
    const controller = new AbortController();
    faults.script({ on: 'open', fault: { type: 'hang' } });
    const running = checkStore(faults, 'db/check', { clock, signal: controller.signal });
    const ended = expect(running).rejects.toBe('enough');
    while (faults.count('open') === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort('enough');
    await ended;
    expect(await listKeys(faults)).toEqual(['db/ltx/0/file']);
  });

  test('measures the clock of a service whose listings have its own time', async () => {
    class Ahead extends WrappedStore {
      override async *list(prefix: string): AsyncGenerator<ObjectInfo> {
        for await (const object of this.inner.list(prefix)) yield { ...object, createdAt: clock.now() + 90_000 };
      }
    }
    const stat = new MemoryStore({ clock, capabilities: { timestamps: 'stat' } });
    expect((await checkStore(new Ahead(stat), 'c', { clock })).clockSkewMs).toBe(90_000);
    expect((await checkStore(stat, 'c', { clock })).clockSkewMs).toBeUndefined();
    class Slow extends WrappedStore {
      override async put(key: string, body: PutBody, options?: PutOptions): Promise<ObjectInfo> {
        const stored = await this.inner.put(key, body, options);
        await clock.advance(40_000);
        return stored;
      }

      override async *list(prefix: string): AsyncGenerator<ObjectInfo> {
        await clock.advance(40_000);
        for await (const object of this.inner.list(prefix)) yield { ...object, createdAt: dated };
      }
    }
    const dated = clock.now() + 10_000;
    // A line that is slow is no clock that is wrong.
    expect((await checkStore(new Slow(stat), 'c', { clock })).clockSkewMs).toBeUndefined();
  });
});
