import { expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { probeBriefly } from '../../../src/storage/check/conditions.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { ObjectInfo, PutBody, PutOptions } from '../../../src/storage/object-store.ts';
import { WrappedStore } from '../../../src/storage/wrap/wrapped-store.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { listKeys } from '../contract/bodies.ts';

class Careless extends WrappedStore {
  override put(key: string, body: PutBody, { ifAbsent: _, ...options }: PutOptions = {}): Promise<ObjectInfo> {
    return this.inner.put(key, body, options);
  }
}

test('create-only writes are found honoured, ignored or absent, in at most five requests, and nothing is left', async () => {
  const weak = new MemoryStore({ capabilities: { conditionalPut: false } });
  for (const [store, expected] of [
    [new MemoryStore(), 'honoured'],
    [new Careless(new MemoryStore()), 'ignored'],
    [weak, 'absent'],
  ] as const) {
    const counted = new FaultStore(store);
    expect(await probeBriefly(counted, 'db/start-probe')).toBe(expected);
    expect(counted.calls.length).toBeLessThanOrEqual(5);
    expect(await listKeys(counted)).toEqual([]);
  }
});

test('where nothing can be deleted one object stays, which answers the next time', async () => {
  const store = new FaultStore(new MemoryStore());
  store.script({ on: 'delete', times: 100, fault: { type: 'error', error: new LitestreamError('ACCESS_DENIED', 'no') } });
  for (let start = 0; start < 5; start++) expect(await probeBriefly(store, 'start-probe')).toBe('honoured');
  expect(await listKeys(store)).toEqual(['start-probe']);
});

test('a store that turns out to lack the condition lacks it, and other failures are passed on', async () => {
  const store = new FaultStore(new MemoryStore());
  store.script({ on: 'put', fault: { type: 'error', error: new LitestreamError('NOT_SUPPORTED', 'no') } });
  expect(await probeBriefly(store, 'k')).toBe('absent');
  store.script({ on: 'list', fault: { type: 'error', error: new LitestreamError('CONTAINER_NOT_FOUND', 'no') } });
  await expect(probeBriefly(store, 'k')).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
  store.script({ on: 'put', fault: { type: 'error', error: new LitestreamError('ACCESS_DENIED', 'no') } });
  await expect(probeBriefly(store, 'k')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
});
