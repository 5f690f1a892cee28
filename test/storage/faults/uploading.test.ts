/** Uploads through a network that breaks, stalls, loses answers and delivers twice. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { PutBody } from '../../../src/storage/object-store.ts';
import { FakeClock, until } from '../../support/fake-clock.ts';
import type { Place } from '../../support/fault-proxy.ts';
import { BACKENDS, HTTP_BACKENDS, TCP_BACKENDS } from './backends.ts';
import { content, expectSame, fault, get, keys, put } from './rig.ts';
import { onceItIs, whileTimePasses } from './time.ts';

const BYTES = content(300_000);
const PLACES: readonly Place[] = ['header', 'first byte', 'middle', 'last byte', 4096];

fault('Time-out or reset mid-upload', HTTP_BACKENDS, (rig, { puts }) => {
  it.each(PLACES)('the whole object is put again when the request is cut at: %s', async (at) => {
    const { proxy } = rig();
    const key = rig().key('object');
    for (const how of ['reset', 'end'] as const) proxy.script({ when: puts, fault: { type: 'cut', of: 'request', at, how } });
    await put(await rig().open(), key, BYTES);
    expect(proxy.outstanding).toBe(0);
    expectSame(await get(await rig().direct(), key), BYTES);
  });

  it.each(['header', 'middle', 'end'] as const)('the whole object is put again when the answer is cut at: %s', async (at) => {
    const { proxy } = rig();
    const key = rig().key('object');
    proxy.script({ when: puts, fault: { type: 'cut', of: 'answer', at } });
    await put(await rig().open(), key, BYTES);
    expectSame(await get(await rig().direct(), key), BYTES);
  });

  it('success whose answer is lost is success, once it is tried again', async () => {
    const { proxy } = rig();
    const key = rig().key('object');
    proxy.script({ when: puts, fault: { type: 'lost answer' }, times: 3 });
    await put(await rig().open(), key, BYTES);
    expect(proxy.outstanding).toBe(0);
    expectSame(await get(await rig().direct(), key), BYTES);
  });

  it.each(['first', 'second'] as const)('what is delivered twice is there once (the answer to the %s is heard)', async (hears) => {
    const { proxy } = rig();
    const key = rig().key('object');
    proxy.script({ when: puts, fault: { type: 'twice', hears } });
    const store = await rig().open();
    await put(store, key, BYTES);
    expect(proxy.outstanding).toBe(0);
    expect(await keys(store, rig().prefix)).toEqual([key]);
    expectSame(await get(await rig().direct(), key), BYTES);
  });

  it('never leaves part of an object to be seen', async () => {
    const { proxy } = rig();
    const key = rig().key('object');
    proxy.script({ when: puts, fault: { type: 'cut', of: 'request', at: 'middle' }, times: Number.POSITIVE_INFINITY });
    await expect(put(await rig().open(), key, BYTES)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(await keys(await rig().direct(), rig().prefix)).toEqual([]);
  });
});

fault('Time-out or reset mid-upload', TCP_BACKENDS, (rig) => {
  it.each([
    ['to server', 300],
    ['to server', 5_000],
    ['to server', 150_000],
    ['to server', 299_000],
    ['to client', 100],
    ['to client', 600],
  ] as const)('the whole object is put again when the connection breaks %s after %i bytes', async (direction, after) => {
    const { proxy } = rig();
    const key = rig().key('object');
    const store = await rig().open();
    await put(store, rig().key('before'), BYTES);
    proxy.script({ type: 'cut', direction, after });
    await put(store, key, BYTES);
    await get(store, key);
    expect(proxy.accepted).toBeGreaterThan(1);
    expectSame(await get(await rig().direct(), key), BYTES);
  });

  it('never leaves part of an object to be seen', async () => {
    const { proxy } = rig();
    const key = rig().key('object');
    const store = await rig().open();
    expect(await keys(store, rig().prefix)).toEqual([]);
    proxy.script({ type: 'cut', direction: 'to server', after: 100_000 }, Number.POSITIVE_INFINITY);
    await expect(put(store, key, BYTES)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(await keys(await rig().direct(), rig().prefix)).toEqual([]);
  });
});

fault('Upload stalls', HTTP_BACKENDS, (rig, { puts }) => {
  it.each(['header', 'middle'] as const)('is given up after its time and put again: request, %s', async (at) => {
    const { proxy } = rig();
    const key = rig().key('object');
    const clock = new FakeClock();
    const store = await rig().open(rig().spec, clock);
    proxy.script({ when: puts, fault: { type: 'silence', of: 'request', at } });
    const upload = put(store, key, BYTES);
    upload.catch(() => {});
    await until(() => proxy.outstanding === 0, 'the upload is silent');
    await whileTimePasses(clock, upload, 45_000);
    expectSame(await get(await rig().direct(), key), BYTES);
    expect(
      rig()
        .lines.map(({ message }) => message)
        .join('\n'),
    ).toMatch(/again|retr/i);
  });
});

fault('Upload stalls', TCP_BACKENDS, (rig) => {
  it.each(['to server', 'to client'] as const)(
    'is given up after its time and put again over another connection: %s',
    async (direction) => {
      const { proxy } = rig();
      const key = rig().key('object');
      const clock = new FakeClock();
      const store = await rig().open(rig().spec, clock);
      await put(store, rig().key('before'), BYTES);
      proxy.script({ type: 'silence', direction, after: direction === 'to server' ? 100_000 : 100 });
      const upload = put(store, key, BYTES);
      upload.catch(() => {});
      await until(() => proxy.isSilent, 'the upload is silent');
      // As the questions whether it is alive end it, which are asked in real time.
      void onceItIs(clock, 50_000, () => proxy.heal());
      await whileTimePasses(clock, upload, 45_000);
      expectSame(await get(await rig().direct(), key), BYTES);
    },
  );
});

fault('Shutdown during upload', BACKENDS, (rig) => {
  it('ends at once, and nothing of the object can be seen', async () => {
    const key = rig().key('object');
    const store = await rig().open();
    await put(store, rig().key('before'), BYTES);
    const stop = new AbortController();
    let handed = 0;
    const slow: PutBody = {
      size: BYTES.length,
      async *open() {
        for (let offset = 0; offset < BYTES.length; offset += 10_000) {
          yield BYTES.subarray(offset, offset + 10_000);
          handed += 10_000;
          await sleep(5);
        }
      },
    };
    const upload = store.put(key, slow, { createdAt: Date.UTC(2026, 0, 1), signal: stop.signal });
    upload.catch(() => {});
    await until(() => handed >= 100_000, 'it is half way');
    const begin = performance.now();
    stop.abort(new Error('the test has had enough'));
    await expect(upload).rejects.toThrow('the test has had enough');
    expect(performance.now() - begin).toBeLessThan(20_000);
    expect(await keys(await rig().direct(), rig().prefix)).toEqual([rig().key('before')]);
    await put(store, key, BYTES);
    expectSame(await get(await rig().direct(), key), BYTES);
  });
});
