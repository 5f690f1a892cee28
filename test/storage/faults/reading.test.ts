/** Reading through a network that breaks, stalls, lies about ranges. */

import { expect, it } from 'vitest';
import { FakeClock, until } from '../../support/fake-clock.ts';
import type { Place } from '../../support/fault-proxy.ts';
import { BACKENDS, HTTP_BACKENDS, TCP_BACKENDS } from './backends.ts';
import { content, expectSame, fault, get, put } from './rig.ts';
import { onceItIs, whileTimePasses } from './time.ts';

const SIZE = 300_000;
const BYTES = content(SIZE);
const PLACES: readonly Place[] = ['header', 'first byte', 'middle', 'last byte', 'end', 4096];

fault('Reset or truncated body on read', HTTP_BACKENDS, (rig, { gets }) => {
  it.each(PLACES)('every byte comes, once, when the answer is cut at: %s', async (at) => {
    const { proxy, key, open } = bound(rig());
    await put(await rig().direct(), key, BYTES);
    for (const how of ['reset', 'end'] as const) proxy.script({ when: gets, fault: { type: 'cut', of: 'answer', at, how } });
    expectSame(await get(await open(), key), BYTES);
    expectSame(await get(await open(), key, { offset: 1_000, length: 200_000 }), BYTES.subarray(1_000, 201_000));
    // An answer that is whole may have been taken for what it is.
    if (at !== 'end') expect(proxy.outstanding).toBe(0);
  });

  it('goes on for as long as each connection brings something', async () => {
    const { proxy, key, open } = bound(rig());
    await put(await rig().direct(), key, BYTES);
    proxy.script({ when: gets, fault: { type: 'cut', of: 'answer', at: 40_000 }, times: 6 });
    expectSame(await get(await open(), key), BYTES);
    expect(proxy.outstanding).toBe(0);
  });

  it('ends with what went wrong when nothing comes any more', async () => {
    const { proxy, key, open } = bound(rig());
    await put(await rig().direct(), key, BYTES);
    proxy.script({ when: gets, fault: { type: 'cut', of: 'answer', at: 'header' }, times: Number.POSITIVE_INFINITY });
    await expect(get(await open(), key)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', message: expect.stringContaining(key) });
  });

  it('takes an answer that is shorter than its range for cut', async () => {
    const { proxy, key, open } = bound(rig());
    await put(await rig().direct(), key, BYTES);
    proxy.script({ when: gets, fault: { type: 'edit', edit: (answer) => ({ ...answer, body: answer.body.subarray(0, 1_000) }) } });
    expectSame(await get(await open(), key, { offset: 1_000, length: 200_000 }), BYTES.subarray(1_000, 201_000));
  });
});

fault('Reset or truncated body on read', TCP_BACKENDS, (rig) => {
  for (const how of ['reset', 'end'] as const) {
    it.each([200, 5_000, 150_000, 290_000])(`every byte comes, once, when the connection ends (${how}) after %i bytes`, async (after) => {
      const { proxy, key, open } = bound(rig());
      await put(await rig().direct(), key, BYTES);
      const store = await open();
      proxy.script({ type: 'cut', direction: 'to client', after, how });
      expectSame(await get(store, key), BYTES);
      expect(proxy.accepted).toBeGreaterThan(1);
    });
  }
});

fault('Silent stall mid-body', HTTP_BACKENDS, (rig, { gets }) => {
  it.each(['header', 'middle', 'last byte'] as const)('is waited for half a minute, then read on elsewhere: %s', async (at) => {
    const clock = new FakeClock();
    const { proxy, key } = bound(rig());
    await put(await rig().direct(), key, BYTES);
    const store = await rig().open(rig().spec, clock);
    proxy.script({ when: gets, fault: { type: 'silence', of: 'answer', at } });
    const reading = get(store, key);
    reading.catch(() => {});
    await until(() => proxy.outstanding === 0, 'the answer is silent');
    expectSame(await whileTimePasses(clock, reading, at === 'header' ? 61_000 : 31_000), BYTES);
  });
});

fault('Silent stall mid-body', TCP_BACKENDS, (rig) => {
  it.each([150_000, 290_000])('is not waited for after its time: read on over another connection, after %i bytes', async (after) => {
    const clock = new FakeClock();
    const { proxy, key } = bound(rig());
    await put(await rig().direct(), key, BYTES);
    const store = await rig().open(rig().spec, clock);
    await store.stat(key);
    proxy.script({ type: 'silence', direction: 'to client', after });
    const reading = get(store, key);
    reading.catch(() => {});
    await until(() => proxy.isSilent, 'the connection is silent');
    // As the questions whether it is alive end it, which are asked in real time.
    void onceItIs(clock, 70_000, () => proxy.heal());
    expectSame(await whileTimePasses(clock, reading, 61_000), BYTES);
  });
});

fault('Server ignores range', HTTP_BACKENDS, (rig, { gets }) => {
  it('what comes too much is skipped and cut here', async () => {
    const { proxy, key, open } = bound(rig());
    await put(await rig().direct(), key, BYTES);
    proxy.script({
      when: gets,
      times: 2,
      fault: {
        type: 'edit',
        edit: ({ headers: { 'content-range': _, ...headers } }) => ({ status: 200, headers, body: BYTES }),
      },
    });
    const store = await open();
    expectSame(await get(store, key, { offset: 5_000, length: 100 }), BYTES.subarray(5_000, 5_100));
    expectSame(await get(store, key, { offset: SIZE - 10 }), BYTES.subarray(SIZE - 10));
  });
});

fault('Shutdown during a read', BACKENDS, (rig) => {
  it('ends at once and leaves no connection waiting', async () => {
    const { key, open } = bound(rig());
    await put(await rig().direct(), key, BYTES);
    const store = await open();
    const stop = new AbortController();
    const opened = await store.open(key, { signal: stop.signal });
    const iterator = opened.body[Symbol.asyncIterator]();
    await iterator.next();
    stop.abort(new Error('the test has had enough'));
    await expect(
      (async () => {
        while ((await iterator.next()).done !== true);
      })(),
    ).rejects.toThrow('the test has had enough');
    await opened.close();
    expectSame(await get(store, key), BYTES);
  });
});

function bound<R extends { readonly proxy: unknown; key(name: string): string; open(): Promise<unknown> }>(
  rig: R,
): { proxy: R['proxy']; key: string; open: () => ReturnType<R['open']> } {
  return { proxy: rig.proxy, key: rig.key('object'), open: () => rig.open() as ReturnType<R['open']> };
}
