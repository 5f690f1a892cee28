import { beforeEach, describe, expect, test } from 'vitest';
import { bytesBody } from '../../../src/storage/body.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { ObjectInfo, PutBody, PutOptions } from '../../../src/storage/object-store.ts';
import { StallStore } from '../../../src/storage/wrap/stall.ts';
import { WrappedStore } from '../../../src/storage/wrap/wrapped-store.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { collect, getBytes, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';

const SETTINGS = { uploadMs: 30_000, slowestLine: 1000, buffers: 10_000, answerMs: 60_000, perKeyMs: 500 };

describe('stall', () => {
  let clock: FakeClock;
  let faults: FaultStore;
  let store: StallStore;
  beforeEach(async () => {
    clock = new FakeClock();
    faults = new FaultStore(new MemoryStore());
    store = new StallStore(faults, { settings: SETTINGS, clock });
    await putBytes(faults, 'there', patternBytes(100));
  });

  /** The outcome of a call while time passes until it settles; how long it took. */
  async function timed(call: Promise<unknown>): Promise<{ readonly ms: number; readonly error?: unknown }> {
    const from = clock.now();
    let outcome: { error?: unknown } | undefined;
    call.then(
      () => {
        outcome = {};
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    await settle();
    while (outcome === undefined) await clock.advance(clock.nextDelay ?? 1);
    return { ms: clock.now() - from, ...outcome };
  }

  const STALLED = { code: 'STORAGE_UNAVAILABLE', disposition: 'retry' };

  test.each([
    ['stat', () => store.stat('there'), 60_000],
    ['open', () => store.open('there'), 60_000],
    ['list', () => listKeys(store), 60_000],
    ['delete', () => store.delete(['a', 'b']), 61_000],
    ['put', () => putBytes(store, 'new', patternBytes(5)), 30_000],
  ] as const)('%s that is never answered is ended, its own signal too', async (verb, call, ms) => {
    faults.script({ on: verb, fault: { type: 'hang' } });
    const outcome = await timed(call());
    expect(outcome).toMatchObject({ ms, error: { ...STALLED, message: expect.stringMatching(`stalled for ${ms / 1000} s`) } });
    expect(clock.sleeping).toBe(0);
  });

  test('an upload that is taken in but not answered has the time its bytes need on a slow line', async () => {
    const silent = new StallStore(new Silent(faults), { settings: SETTINGS, clock });
    expect(await timed(silent.put('new', bytesBody(patternBytes(5000))))).toMatchObject({ ms: 35_000, error: STALLED });
    // Not more than fits into buffers: the rest has been sent.
    expect(await timed(silent.put('new', bytesBody(patternBytes(50_000))))).toMatchObject({ ms: 40_000, error: STALLED });
  });

  test('an upload whose body is not taken is ended, and the body is left', async () => {
    let left = false;
    const body: PutBody = {
      async *open() {
        try {
          for (;;) yield patternBytes(10);
        } finally {
          left = true;
        }
      },
    };
    const stuck = new StallStore(new Sipping(faults), { settings: SETTINGS, clock });
    const outcome = await timed(stuck.put('new', body));
    expect(outcome.error).toMatchObject({ ...STALLED, message: expect.stringMatching(/^upload of new stalled/) });
    expect(outcome.ms).toBe(30_010);
    await settle();
    expect(left).toBe(true);
  });

  test('an upload that waits for its own source is no stall, and one that goes on is none however long it takes', async () => {
    async function* slowly() {
      for (let i = 0; i < 10; i++) {
        await clock.sleep(20_000);
        yield patternBytes(10);
        await clock.sleep(500_000);
      }
    }
    const outcome = await timed(store.put('slow', { open: slowly }));
    expect(outcome).toEqual({ ms: 10 * 520_000 });
    expect((await getBytes(store, 'slow')).byteLength).toBe(100);
  });

  test('a listing whose consumer takes its time is no stall', async () => {
    await putBytes(faults, 'two', patternBytes(1));
    const keys: string[] = [];
    for await (const { key } of store.list('')) {
      keys.push(key);
      await clock.advance(600_000);
    }
    expect(keys).toEqual(['there', 'two']);
    expect(clock.sleeping).toBe(0);
  });

  test('a body that is read slowly is not watched here, and stays readable', async () => {
    const opened = await store.open('there');
    await clock.advance(600_000);
    expect(Buffer.concat(await collect(opened.body)).byteLength).toBe(100);
    expect(clock.sleeping).toBe(0);
  });

  test('an answer that comes after all is closed', async () => {
    const gate = Promise.withResolvers<void>();
    faults.script({ on: 'open', fault: { type: 'wait', gate: gate.promise } });
    expect(await timed(store.open('there'))).toMatchObject({ error: STALLED });
    gate.resolve();
    await settle();
    expect(faults.openCount).toBe(0);
  });

  test('the caller who gives up gets the own reason at once, and nothing keeps listening to it', async () => {
    for (const verb of ['stat', 'open', 'put', 'delete', 'list'] as const) {
      faults.script({ on: verb, fault: { type: 'hang' } });
      const controller = new AbortController();
      const { signal } = controller;
      const calls = {
        stat: () => store.stat('there', { signal }),
        open: () => store.open('there', { signal }),
        put: () => store.put('x', bytesBody(patternBytes(3)), { signal }),
        delete: () => store.delete(['x'], { signal }),
        list: async () => {
          for await (const _ of store.list('', { signal }));
        },
      };
      const waiting = calls[verb]();
      const settled = expect(waiting).rejects.toBe('enough');
      await settle();
      controller.abort('enough');
      await settled;
      expect(clock.sleeping).toBe(0);
    }
  });
});

/** Takes everything in and never answers. */
class Silent extends WrappedStore {
  override async put(_key: string, body: PutBody): Promise<ObjectInfo> {
    for await (const _ of body.open());
    return new Promise(() => {});
  }
}

/** Takes one chunk and no more, until its signal fires. */
class Sipping extends WrappedStore {
  override async put(_key: string, body: PutBody, { signal }: PutOptions = {}): Promise<ObjectInfo> {
    const iterator = body.open()[Symbol.asyncIterator]();
    await iterator.next();
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => void iterator.return?.().then(() => reject(signal.reason)), { once: true });
    });
  }
}
