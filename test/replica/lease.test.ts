/** The lease of a replica: one holder, a growing number, and no trust in anybody's clock. */

import { beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { Lease } from '../../src/replica/lease.ts';
import { bytesBody, readAll } from '../../src/storage/body.ts';
import { MemoryStore } from '../../src/storage/memory/memory.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FaultStore } from '../support/fault-store.ts';

const KEY = 'db/lock.json';
const TTL = 30_000;

describe('a lease', () => {
  let clock: FakeClock;
  let store: FaultStore;
  beforeEach(() => {
    clock = new FakeClock();
    store = new FaultStore(new MemoryStore({ clock }));
  });

  const lease = (owner: string, its = clock, ttlMs = TTL) => new Lease({ store, key: KEY, ttlMs, owner, clock: its });
  const content = async () => JSON.parse(Buffer.from(await readAll(await store.innermost.open(KEY))).toString());
  const overwrite = async (text: string) => store.innermost.put(KEY, bytesBody(Buffer.from(text)), {});
  const unavailable = new LitestreamError('STORAGE_UNAVAILABLE', 'cut');

  test('is taken when nobody has it, in the form of the original', async () => {
    const a = lease('a');
    expect(await a.step()).toBe(true);
    expect(a.isHeld).toBe(true);
    expect(await content()).toMatchObject({ generation: 1, owner: 'a', expires_at: new Date(clock.now() + TTL).toISOString() });
    expect(a.holder).toEqual({ generation: 1, owner: 'a', expiresAt: clock.now() + TTL });
  });

  test('is not taken while somebody has it, and names the holder', async () => {
    await lease('a').step();
    const b = lease('b');
    expect(await b.step()).toBe(false);
    expect(b.isHeld).toBe(false);
    expect(b.holder).toMatchObject({ owner: 'a', generation: 1 });
  });

  test('has one holder when many ask at once', async () => {
    const all = Array.from({ length: 12 }, (_, i) => lease(`p${i}`));
    await Promise.all(all.map((one) => one.step()));
    expect(all.filter((one) => one.isHeld)).toHaveLength(1);
  });

  test('stays with a holder that renews it, under the same number, for as long as it likes', async () => {
    const a = lease('a');
    const b = lease('b');
    await a.step();
    for (let i = 0; i < 20; i++) {
      await clock.advance(TTL / 3);
      expect(await a.step()).toBe(true);
      expect(await b.step()).toBe(false);
    }
    expect(await content()).toMatchObject({ generation: 1, owner: 'a' });
  });

  test('lets the holder write for less than its time, by its own clock', async () => {
    const a = lease('a');
    await a.step();
    await clock.advance(TTL * 0.74);
    expect(a.isHeld).toBe(true);
    await clock.advance(TTL * 0.02);
    expect(a.isHeld).toBe(false);
    expect(a.isOurs).toBe(true);
    expect(await a.step()).toBe(true);
    expect(a.isHeld).toBe(true);
  });

  test('ends for a machine that slept, whose monotonic clock stood still', async () => {
    const sleeper = new FakeClock();
    const a = lease('a', sleeper);
    await a.step();
    const before = sleeper.monotonic();
    sleeper.monotonic = () => before;
    await sleeper.advance(TTL);
    expect(a.isHeld).toBe(false);
  });

  test('is taken over only after it was seen unchanged for its whole time, whatever the clocks say', async () => {
    const a = lease('a', new FakeClock(Date.UTC(2020, 0, 1)));
    await a.step();
    // By the clock of b the lease of a expired years ago.
    const b = lease('b');
    expect(await b.step()).toBe(false);
    await clock.advance(TTL - 1);
    expect(await b.step()).toBe(false);
    await clock.advance(1);
    expect(await b.step()).toBe(true);
    expect(await content()).toMatchObject({ generation: 2, owner: 'b' });
  });

  test('is waited for as long as the holder said, when that is longer', async () => {
    await lease('a', clock, 3 * TTL).step();
    const b = lease('b');
    await b.step();
    await clock.advance(3 * TTL - 1);
    expect(await b.step()).toBe(false);
    await clock.advance(1);
    expect(await b.step()).toBe(true);
  });

  test('that was taken over is lost to the old holder, which sees by whom and does not fight', async () => {
    const a = lease('a');
    const b = lease('b');
    await a.step();
    await b.step();
    await clock.advance(TTL);
    await b.step();
    expect(a.isHeld).toBe(false);
    expect(await a.step()).toBe(false);
    expect(a.isOurs).toBe(false);
    expect(a.holder).toMatchObject({ owner: 'b', generation: 2 });
    expect(b.isHeld).toBe(true);
  });

  test('given back is free at once, and the number goes on', async () => {
    const a = lease('a');
    await a.step();
    await a.release();
    expect(a.isHeld).toBe(false);
    const b = lease('b');
    expect(await b.step()).toBe(true);
    expect(await content()).toMatchObject({ generation: 2, owner: 'b' });
  });

  test('of before a crash is taken over at once by the same owner', async () => {
    await lease('a').step();
    const again = lease('a');
    expect(await again.step()).toBe(true);
    expect(await content()).toMatchObject({ generation: 2, owner: 'a' });
  });

  test('is not snatched back and forth by two processes of one name', async () => {
    const first = lease('a');
    const second = lease('a');
    await first.step();
    await second.step();
    expect(await first.step()).toBe(false);
    expect(await first.step()).toBe(false);
    expect(await second.step()).toBe(true);
  });

  test('is ours when the answer was lost on the way', async () => {
    const a = lease('a');
    for (let i = 0; i < 3; i++) {
      store.script({ on: 'put', fault: { type: 'lost-answer', error: unavailable } });
      await a.step().catch(() => {});
      expect(await a.step()).toBe(true);
      expect(a.isHeld).toBe(true);
      await clock.advance(TTL / 3);
    }
    expect(await content()).toMatchObject({ generation: 1 });
  });

  test('is ours when a retry met its own success', async () => {
    const a = lease('a');
    const { RetryStore } = await import('../../src/storage/wrap/retry.ts');
    const retried = new Lease({
      store: new RetryStore(store, {
        clock: { ...clock, now: () => clock.now(), monotonic: () => clock.monotonic(), sleep: async () => {} },
      }),
      key: KEY,
      ttlMs: TTL,
      owner: 'a',
      clock,
    });
    store.script({ on: 'put', fault: { type: 'lost-answer', error: unavailable } });
    expect(await retried.step()).toBe(true);
    expect(retried.isHeld).toBe(true);
    expect(a.isHeld).toBe(false);
  });

  test('that is empty or damaged is told, and replaced after its time with a number nobody has reached', async () => {
    for (const text of ['', '{', '[]', '{"generation":"x"}', '{"generation":4}']) {
      await overwrite(text);
      const a = lease('a');
      expect(await a.step(), text).toBe(false);
      expect(a.holder).toEqual({ damaged: true });
      await clock.advance(TTL);
      expect(await a.step(), text).toBe(true);
      expect((await content()).generation).toBeGreaterThan(1_000_000_000);
    }
  });

  test('of the original, with fractions of a second and an offset, is read', async () => {
    await overwrite('{"generation":7,"expires_at":"2026-01-01T01:00:00.123456789+01:00","owner":"other:12"}');
    const a = lease('a');
    expect(await a.step()).toBe(false);
    expect(a.holder).toEqual({ owner: 'other:12', generation: 7, expiresAt: Date.UTC(2026, 0, 1) + 123 });
    await clock.advance(TTL);
    expect(await a.step()).toBe(true);
    expect(await content()).toMatchObject({ generation: 8 });
  });

  test('that was deleted is taken anew with a greater number', async () => {
    const a = lease('a');
    await a.step();
    await store.innermost.delete([KEY]);
    expect(await a.step()).toBe(false);
    expect(a.isHeld).toBe(false);
    expect(await a.step()).toBe(true);
    expect(await content()).toMatchObject({ generation: 2 });
  });

  test('is not lost because the destination does not answer, but not written under either', async () => {
    const a = lease('a');
    await a.step();
    store.script({ on: 'put', fault: { type: 'error', error: unavailable }, times: 3 });
    for (let i = 0; i < 3; i++) {
      await clock.advance(TTL / 3);
      await expect(a.step()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    }
    expect(a.isOurs).toBe(true);
    expect(a.isHeld).toBe(false);
    expect(await a.step()).toBe(true);
    expect(a.isHeld).toBe(true);
  });
});
