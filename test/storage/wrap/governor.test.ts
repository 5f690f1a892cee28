import { beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import { Governor } from '../../../src/storage/wrap/governor.ts';
import { RetryStore } from '../../../src/storage/wrap/retry.ts';
import { ThrottleStore } from '../../../src/storage/wrap/throttle.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { patternBytes, putBytes } from '../contract/bodies.ts';

const refusal = new LitestreamError('STORAGE_THROTTLED', 'SlowDown');

describe('a destination that throttles', () => {
  let clock: FakeClock;
  let episodes: string[];
  let governor: Governor;
  let faults: FaultStore;
  let store: ThrottleStore;
  beforeEach(async () => {
    clock = new FakeClock();
    episodes = [];
    governor = new Governor(16, clock, {
      throttled: (limit) => episodes.push(`throttled ${limit}`),
      recovered: () => episodes.push('recovered'),
    });
    faults = new FaultStore(new MemoryStore());
    store = new ThrottleStore(faults, governor);
    await putBytes(faults, 'there', patternBytes(10));
  });

  const refuse = async (count: number) => {
    faults.script({ on: 'stat', times: count, fault: { type: 'error', error: refusal } });
    await Promise.allSettled(Array.from({ length: count }, () => store.stat('there')));
  };

  test('is asked half as much at once, once for all that was in flight, and with one warning', async () => {
    await refuse(12);
    expect(governor.limit).toBe(6);
    await clock.advance(1000);
    await refuse(6);
    expect(governor.limit).toBe(3);
    for (let i = 0; i < 5; i++) {
      await clock.advance(1000);
      await refuse(3);
    }
    expect(governor.limit).toBe(1);
    expect(episodes).toEqual(['throttled 6']);
  });

  test('holds the requests to the limit', async () => {
    await refuse(8);
    expect(governor.limit).toBe(4);
    faults.calls.length = 0;
    const gate = Promise.withResolvers<void>();
    faults.script({ on: 'stat', times: 10, fault: { type: 'wait', gate: gate.promise } });
    const stats = Array.from({ length: 10 }, () => store.stat('there'));
    await settle();
    expect(faults.count('stat')).toBe(4);
    gate.resolve();
    expect(await Promise.all(stats)).toHaveLength(10);
  });

  test('gets more again one by one, and the episode ends once', async () => {
    await refuse(12);
    const limits: number[] = [];
    for (let i = 0; i < 60; i++) {
      await clock.advance(2000);
      await store.stat('there');
      limits.push(governor.limit);
    }
    expect(limits.slice(0, 11)).toEqual([7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16]);
    expect(episodes).toEqual(['throttled 6', 'recovered']);
    expect(clock.sleeping).toBe(0);
  });

  test('that was not asked for long is asked as before', async () => {
    await refuse(12);
    await clock.advance(10 * 60_000);
    await store.stat('there');
    expect(governor.limit).toBe(16);
    expect(governor.isThrottled).toBe(false);
  });

  test('other errors change nothing', async () => {
    for (const code of ['STORAGE_UNAVAILABLE', 'ACCESS_DENIED', 'OBJECT_NOT_FOUND'] as const) {
      faults.script({ on: 'stat', fault: { type: 'error', error: new LitestreamError(code, 'scripted') } });
      await expect(store.stat('there')).rejects.toMatchObject({ code });
    }
    expect(governor.limit).toBe(16);
    expect(episodes).toEqual([]);
  });

  test('even one place is told as an episode', async () => {
    const single = new Governor(1, clock, { throttled: (limit) => episodes.push(`throttled ${limit}`), recovered: () => {} });
    store = new ThrottleStore(faults, single);
    await refuse(3);
    expect(episodes).toEqual(['throttled 1']);
  });

  test('a burst of 503 answers is survived by repeating, with a lower number of requests in flight', async () => {
    const retrying = new RetryStore(store, { clock, settings: { attempts: 10, initialMs: 100, capMs: 20_000, jitter: 0 } });
    faults.script({ on: 'stat', times: 40, fault: { type: 'error', error: refusal } });
    let done = false;
    const all = Promise.all(Array.from({ length: 20 }, () => retrying.stat('there'))).finally(() => {
      done = true;
    });
    while (!done) await clock.advance(clock.nextDelay ?? 1);
    expect(await all).toHaveLength(20);
    expect(governor.limit).toBeLessThan(16);
    expect(episodes).toHaveLength(1);
  });

  test('is not asked again by anybody before the moment it has named', async () => {
    const error = new LitestreamError('STORAGE_THROTTLED', 'SlowDown', { details: { retryAfterMs: 20_000 } });
    faults.script({ on: 'stat', fault: { type: 'error', error } });
    await expect(store.stat('there')).rejects.toBe(error);
    faults.calls.length = 0;
    const others = [store.stat('there'), store.delete(['x'])];
    await clock.advance(19_999);
    expect(faults.calls).toEqual([]);
    await clock.advance(1);
    await Promise.all(others);
    expect(clock.sleeping).toBe(0);
  });

  test('that has named a moment far off is not asked, and calls fail at once with what is left', async () => {
    const error = new LitestreamError('STORAGE_THROTTLED', 'SlowDown', { details: { retryAfterMs: 600_000 } });
    faults.script({ on: 'stat', fault: { type: 'error', error } });
    await expect(store.stat('there')).rejects.toBe(error);
    await clock.advance(100_000);
    await expect(store.stat('there')).rejects.toMatchObject({ code: 'STORAGE_THROTTLED', details: { retryAfterMs: 500_000 } });
    expect(faults.count('stat')).toBe(1);
    await clock.advance(500_000);
    expect((await store.stat('there')).size).toBe(10);
  });

  test('does not hold up who gives up', async () => {
    faults.script({
      on: 'stat',
      fault: { type: 'error', error: new LitestreamError('STORAGE_THROTTLED', 'SlowDown', { details: { retryAfterMs: 20_000 } }) },
    });
    await store.stat('there').catch(() => {});
    const controller = new AbortController();
    const waiting = expect(store.stat('there', { signal: controller.signal })).rejects.toBe('enough');
    await settle();
    controller.abort('enough');
    await waiting;
    expect(clock.sleeping).toBe(0);
  });
});
