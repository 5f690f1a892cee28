import { beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import type { Logger } from '../../../src/base/log.ts';
import { layoutFor } from '../../../src/replica/layout.ts';
import { Replica } from '../../../src/replica/replica.ts';
import type { DatabaseEntry } from '../../../src/service/options.ts';
import type { DatabaseHandle } from '../../../src/service/service.ts';
import { StartChecks } from '../../../src/service/start-check/start-checks.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { StoreSpec } from '../../../src/storage/spec.ts';
import { listKeys } from '../../storage/contract/bodies.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { FaultStore } from '../../support/fault-store.ts';

interface Given {
  readonly path: string;
  readonly memberOf?: string;
  readonly store: StoreSpec;
}

describe('the look at each destination at the start', () => {
  let clock: FakeClock;
  let faults: FaultStore;
  let lines: [string, string][];
  beforeEach(() => {
    clock = new FakeClock();
    faults = new FaultStore(new MemoryStore({ clock }));
    lines = [];
  });
  const log: Logger = { log: (level, message) => lines.push([level, message]), with: () => log };

  function checksOf(...given: readonly Given[]): StartChecks {
    // Only what is looked at.
    const databases = given.map(({ path, store }) => ({
      settings: { path, name: path },
      replicas: [
        { settings: { name: 'r', store }, replica: new Replica(faults, layoutFor(store.type), 'path' in store ? store.path : '') },
      ],
    })) as unknown as DatabaseHandle[];
    const entries = given.map(({ path, memberOf }) => ({
      settings: { path },
      ...(memberOf === undefined ? {} : { memberOf }),
    })) as unknown as DatabaseEntry[];
    return new StartChecks(databases, entries, { clock, log });
  }

  async function run(checks: StartChecks, signal = new AbortController().signal): Promise<void> {
    const running = checks.run(signal);
    await settle();
    await clock.advance(10_000);
    await running;
  }
  const s3 = (path: string, bucket = 'b'): StoreSpec => ({ type: 's3', bucket, path });

  test('is taken once, in few requests, in the replica’s own place, and leaves nothing', async () => {
    const checks = checksOf({ path: '/a', store: s3('a') }, { path: '/b', store: s3('b') });
    await run(checks);
    await run(checks);
    expect(checks.of('/a', 'r')).toMatchObject({ outcome: 'passed', createOnly: 'honoured' });
    expect(checks.of('/b', 'r')).toMatchObject({ outcome: 'passed' });
    expect(checks.of('/c', 'r')).toBeUndefined();
    expect(faults.calls.length).toBeLessThanOrEqual(10);
    expect(faults.calls.every(({ key }) => /^[ab]\/start-probe/.test(key))).toBe(true);
    expect(await listKeys(faults)).toEqual([]);
    expect(lines.map(([level]) => level)).toEqual(['info', 'info']);
  });

  test('members of a directory share one look at their bucket, and directories here are not looked at', async () => {
    const members = Array.from({ length: 50 }, (_, i) => ({ path: `/m/${i}`, memberOf: '/m', store: s3(`m/${i}`) }));
    const checks = checksOf(...members, { path: '/f', store: { type: 'file', path: '/somewhere' } });
    await run(checks);
    expect(faults.calls.length).toBeLessThanOrEqual(5);
    expect(checks.of('/m/49', 'r')).toMatchObject({ outcome: 'passed' });
    expect(checks.of('/f', 'r')).toBeUndefined();
  });

  test('a failure is kept and told, and nothing is thrown', async () => {
    faults.script({ on: 'list', times: 10, fault: { type: 'error', error: new LitestreamError('CONTAINER_NOT_FOUND', 'no bucket') } });
    const checks = checksOf({ path: '/a', store: s3('a') });
    await run(checks);
    expect(checks.of('/a', 'r')).toMatchObject({ outcome: 'failed', error: { code: 'CONTAINER_NOT_FOUND' } });
    expect(lines).toEqual([['warn', expect.stringContaining('litestream check')]]);
  });

  test('who leaves at once asks for nothing', async () => {
    const controller = new AbortController();
    const checks = checksOf({ path: '/a', store: s3('a') });
    const running = checks.run(controller.signal);
    await clock.advance(1000);
    controller.abort(new Error('stop'));
    await running;
    expect(faults.calls).toEqual([]);
  });

  test('a strict start names every destination that cannot be listed', async () => {
    const checks = checksOf({ path: '/a', store: s3('a') }, { path: '/b', store: s3('b') }, { path: '/c', store: s3('c') });
    await expect(checks.requireAll(new AbortController().signal)).resolves.toBeUndefined();
    faults.script({ on: 'list', key: 'a/', fault: { type: 'error', error: new LitestreamError('ACCESS_DENIED', 'denied') } });
    faults.script({ on: 'list', key: 'c/', fault: { type: 'error', error: new LitestreamError('STORAGE_UNAVAILABLE', 'refused') } });
    await expect(checks.requireAll(new AbortController().signal)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching(/^2 of 3 .*\n\/a on r: ACCESS_DENIED: denied\n\/c on r: STORAGE_UNAVAILABLE: refused$/),
    });
  });
});
