import { beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import { MeterStore, type StoreOperation } from '../../../src/storage/wrap/meter.ts';
import { listRequests, putRequests } from '../../../src/storage/wrap/request-count.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { collect, failingBody, getBytes, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';

describe('meter', () => {
  let clock: FakeClock;
  let faults: FaultStore;
  let store: MeterStore;
  let seen: StoreOperation[];
  let open: number;
  beforeEach(async () => {
    clock = new FakeClock();
    faults = new FaultStore(new MemoryStore());
    seen = [];
    open = 0;
    store = new MeterStore(faults, (operation) => seen.push(operation), {
      clock,
      onStreams: (change) => {
        open += change;
      },
    });
    await putBytes(faults, 'there', patternBytes(100_000));
  });

  const brief = () => seen.map(({ operation, bytes, code }) => [operation, bytes, code]);

  test('reports every operation once, with its bytes', async () => {
    await putBytes(store, 'new', patternBytes(5000));
    await getBytes(store, 'new', { offset: 10, length: 20 });
    await store.stat('new');
    await listKeys(store);
    await store.delete(['new', 'x']);
    expect(brief()).toEqual([
      ['PUT', 5000, undefined],
      ['GET', 20, undefined],
      ['STAT', 0, undefined],
      ['LIST', 0, undefined],
      ['DELETE', 0, undefined],
    ]);
    expect(seen.every(({ replicaType }) => replicaType === 'memory')).toBe(true);
  });

  test('reports failures with the code, and what travelled before', async () => {
    await store.open('missing').catch(() => {});
    await store.stat('missing').catch(() => {});
    await store.put('x', failingBody(patternBytes(300), new Error('source'))).catch(() => {});
    faults.script({ on: 'open', fault: { type: 'broken', after: 70_000, ending: new LitestreamError('STORAGE_UNAVAILABLE', 'reset') } });
    await getBytes(store, 'there').catch(() => {});
    faults.script({ on: 'list', fault: { type: 'broken', after: 0, ending: new LitestreamError('ACCESS_DENIED', 'no') } });
    await listKeys(store).catch(() => {});
    await store.delete(['x'], { signal: AbortSignal.abort(new Error('enough')) }).catch(() => {});
    expect(brief()).toEqual([
      ['GET', 0, 'OBJECT_NOT_FOUND'],
      ['STAT', 0, 'OBJECT_NOT_FOUND'],
      ['PUT', 300, 'INTERNAL'],
      ['GET', 70_000, 'STORAGE_UNAVAILABLE'],
      ['LIST', 0, 'ACCESS_DENIED'],
      ['DELETE', 0, 'CANCELLED'],
    ]);
  });

  test('a body that is left or closed early counts once, with the bytes that came', async () => {
    const left = await store.open('there');
    for await (const _ of left.body) break;
    await left.close();
    const unread = await store.open('there');
    await unread.close();
    await unread.close();
    expect(brief()).toEqual([
      ['GET', 65_536, undefined],
      ['GET', 0, undefined],
    ]);
  });

  test('measures a read to the end of its body, and a listing without the time of its consumer', async () => {
    const opened = await store.open('there');
    await clock.advance(250);
    await collect(opened.body);
    expect(seen[0]?.durationMs).toBe(250);
    for await (const _ of store.list('')) await clock.advance(10_000);
    expect(seen[1]).toMatchObject({ operation: 'LIST', durationMs: 0 });
  });

  test('tells how many bodies are open', async () => {
    const opened = await store.open('there');
    const other = await store.open('there');
    expect(open).toBe(2);
    await collect(opened.body);
    await opened.close();
    expect(open).toBe(1);
    await other.close();
    await store.open('missing').catch(() => {});
    expect(open).toBe(0);
  });

  test('counts the requests a service charges: pages, parts and batches', async () => {
    expect([listRequests('s3', 0), listRequests('s3', 1000), listRequests('s3', 1001), listRequests('abs', 5001)]).toEqual([1, 1, 2, 2]);
    expect(listRequests('sftp', 100_000)).toBe(1);
    const MiB = 1024 * 1024;
    expect([putRequests('s3', 5 * MiB, undefined), putRequests('s3', 12 * MiB, undefined), putRequests('s3', 12 * MiB, 6 * MiB)]).toEqual([
      1, 5, 4,
    ]);
    expect([putRequests('gs', 100 * MiB, undefined), putRequests('abs', 9 * MiB, undefined)]).toEqual([1, 4]);
    await store.delete(Array.from({ length: 2001 }, (_, i) => `k${i}`));
    expect(seen).toMatchObject([{ operation: 'DELETE', requests: 3 }]);
  });
});
