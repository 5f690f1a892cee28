import { beforeEach, describe, expect, test } from 'vitest';
import { wrapStore } from '../../../src/replica/open.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import { BandwidthStore } from '../../../src/storage/wrap/bandwidth.ts';
import { TokenBucket } from '../../../src/storage/wrap/token-bucket.ts';
import { trafficOf } from '../../../src/storage/wrap/traffic.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { getBytes, patternBytes } from '../contract/bodies.ts';

const RATE = 100_000;

describe('bandwidth', () => {
  let clock: FakeClock;
  let memory: MemoryStore;
  beforeEach(() => {
    clock = new FakeClock();
    memory = new MemoryStore({ clock });
  });

  /** Lets time pass until all calls have ended; how long each took, ms. */
  async function timed(...calls: readonly Promise<unknown>[]): Promise<number[]> {
    const from = clock.now();
    let left = calls.length;
    const times = calls.map(() => 0);
    for (const [i, call] of calls.entries()) {
      void call.finally(() => {
        left -= 1;
        times[i] = clock.now() - from;
      });
    }
    await settle();
    while (left > 0) await clock.advance(clock.nextDelay ?? 1);
    await Promise.all(calls);
    return times;
  }

  test('uploads and downloads are held to their own rates, without changing a byte', async () => {
    const store = new BandwidthStore(memory, { upload: new TokenBucket(RATE, clock), download: new TokenBucket(2 * RATE, clock) });
    const bytes = patternBytes(1_000_000);
    const [up = 0] = await timed(store.put('x', bytesBody(bytes)));
    expect(up).toBeGreaterThan(9_500);
    expect(up).toBeLessThan(10_500);
    let got = new Uint8Array();
    const [down = 0] = await timed(
      getBytes(store, 'x').then((all) => {
        got = Uint8Array.from(all);
      }),
    );
    expect(down).toBeGreaterThan(4_500);
    expect(down).toBeLessThan(5_500);
    expect(Buffer.compare(got, bytes)).toBe(0);
  });

  test('streams share a rate fairly: the small one does not wait for the large one', async () => {
    const upload = new TokenBucket(RATE, clock);
    const stores = [new BandwidthStore(memory, { upload }), new BandwidthStore(memory, { upload })] as const;
    const [large = 0, small = 0] = await timed(
      stores[0].put('large', bytesBody(patternBytes(1_000_000))),
      stores[1].put('small', bytesBody(patternBytes(50_000))),
    );
    expect(small).toBeLessThan(1_500);
    expect(large).toBeGreaterThan(10_000);
  });

  test('needs no timer at rest, saves no more than a short burst, and ends at once with the reason', async () => {
    const bucket = new TokenBucket(RATE, clock);
    await timed(bucket.take(100));
    expect(clock.sleeping).toBe(0);
    await clock.advance(3_600_000);
    const [ms = 0] = await timed(
      (async () => {
        for (let i = 0; i < 20; i++) await bucket.take(10_000);
      })(),
    );
    expect(ms).toBeGreaterThan(1_500);
    const controller = new AbortController();
    await timed(bucket.take(1_000_000));
    const waiting = bucket.take(10, controller.signal);
    const queued = bucket.take(10, controller.signal);
    const both = Promise.all([expect(waiting).rejects.toBe('enough'), expect(queued).rejects.toBe('enough')]);
    await settle();
    controller.abort('enough');
    await both;
    expect(clock.sleeping).toBe(0);
  });

  test('waiting for the rate is no stall, neither of an upload nor of a download', async () => {
    const transport = { uploadBytesPerSecond: 1000, downloadBytesPerSecond: 1000 };
    const store = wrapStore(memory, { type: 's3', bucket: 'b', path: 'p', transport }, { clock });
    const bytes = patternBytes(600_000);
    const [up = 0] = await timed(store.put('x', bytesBody(bytes)));
    expect(up).toBeGreaterThan(580_000);
    const [down = 0] = await timed(getBytes(store, 'x'));
    expect(down).toBeGreaterThan(580_000);
    expect(clock.sleeping).toBe(0);
    await store.close();
  });

  test('replicas in one bucket share the rates, other buckets and other rates have their own', async () => {
    const spec = { type: 's3', bucket: 'b', path: 'one', transport: { uploadBytesPerSecond: RATE } } as const;
    const one = trafficOf(spec, { clock });
    expect(trafficOf({ ...spec, path: 'two' }, { clock }).rates.upload).toBe(one.rates.upload);
    expect(trafficOf({ ...spec, bucket: 'c' }, { clock }).rates.upload).not.toBe(one.rates.upload);
    expect(trafficOf({ ...spec, transport: { uploadBytesPerSecond: 2 * RATE } }, { clock }).rates.upload).not.toBe(one.rates.upload);
    expect(trafficOf({ ...spec, transport: {} }, { clock }).rates).toEqual({});
  });

  test('what nobody uses any more is forgotten', () => {
    const spec = { type: 's3', bucket: 'b', path: '' } as const;
    const first = trafficOf(spec, { clock });
    const second = trafficOf(spec, { clock });
    expect(second.governor).toBe(first.governor);
    first.release();
    first.release();
    const third = trafficOf(spec, { clock });
    expect(third.governor).toBe(first.governor);
    second.release();
    third.release();
    expect(trafficOf(spec, { clock }).governor).not.toBe(first.governor);
  });

  test('transport.operations bounds the requests at once', () => {
    expect(trafficOf({ type: 's3', bucket: 'z', path: '', transport: { operations: 3 } }, { clock }).governor.limit).toBe(3);
  });
});
