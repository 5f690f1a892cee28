import { beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import { LimitStore } from '../../../src/storage/wrap/limit.ts';
import { settle } from '../../support/fake-clock.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { collect, getBytes, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';

describe('limit', () => {
  let faults: FaultStore;
  let store: LimitStore;
  beforeEach(async () => {
    faults = new FaultStore(new MemoryStore());
    store = new LimitStore(faults, { operations: 2, streams: 3 });
    await putBytes(store, 'there', patternBytes(200_000));
    faults.calls.length = 0;
  });

  test('runs no more operations at once than allowed, in the order of their coming', async () => {
    const gates = Array.from({ length: 6 }, () => Promise.withResolvers<void>());
    for (const { promise } of gates) faults.script({ on: 'stat', fault: { type: 'wait', gate: promise } });
    const stats = gates.map(() => store.stat('there'));
    for (let i = 0; i < gates.length; i++) {
      await settle();
      expect(faults.count('stat')).toBe(Math.min(6, i + 2));
      gates[i]?.resolve();
    }
    expect(await Promise.all(stats)).toHaveLength(6);
  });

  test('gives the place of a failed operation back', async () => {
    faults.script({ on: 'put', times: 5, fault: { type: 'error', error: new LitestreamError('ACCESS_DENIED', 'no') } });
    for (let i = 0; i < 5; i++) await expect(putBytes(store, 'x', patternBytes(1))).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    for (let i = 0; i < 5; i++) await expect(store.open('missing')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    await putBytes(store, 'x', patternBytes(1));
    expect(await listKeys(store)).toEqual(['there', 'x']);
  });

  test('holds a stream from open to its end, its close, or its being left', async () => {
    const opened = [await store.open('there'), await store.open('there'), await store.open('there')];
    let fourth = false;
    const waiting = store.open('there').then((one) => {
      fourth = true;
      return one;
    });
    await settle();
    expect(fourth).toBe(false);
    const [first] = opened;
    if (first !== undefined) await collect(first.body);
    const next = await waiting;
    for (const one of [next, ...opened]) {
      await one.close();
      await one.close();
    }
    for (let i = 0; i < 10; i++) {
      const left = await store.open('there');
      for await (const _ of left.body) break;
      await left.close();
    }
    expect(faults.openCount).toBe(0);
    expect((await getBytes(store, 'there')).byteLength).toBe(200_000);
  });

  test('open streams do not keep other operations waiting', async () => {
    const opened = [await store.open('there'), await store.open('there'), await store.open('there')];
    expect((await store.stat('there')).size).toBe(200_000);
    for (const one of opened) await one.close();
  });

  test('a listing whose consumer takes its time holds no place', async () => {
    const listings = Array.from({ length: 5 }, () => store.list('')[Symbol.asyncIterator]());
    for (const listing of listings) expect((await listing.next()).done).toBe(false);
    expect((await store.stat('there')).size).toBe(200_000);
    for (const listing of listings) await listing.return?.(undefined);
  });

  test('who gives up in the queue leaves it, with the reason', async () => {
    const gate = Promise.withResolvers<void>();
    faults.script({ on: 'stat', times: 2, fault: { type: 'wait', gate: gate.promise } });
    const busy = [store.stat('there'), store.stat('there')];
    const controller = new AbortController();
    const reason = new Error('enough');
    const waiting = store.stat('there', { signal: controller.signal });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(faults.count('stat')).toBe(2);
    gate.resolve();
    await Promise.all(busy);
  });
});
