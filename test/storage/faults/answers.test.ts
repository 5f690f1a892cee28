/** Answers of services that are overloaded or broken, and of things that are no such service. */

import { expect, it } from 'vitest';
import { FakeClock } from '../../support/fake-clock.ts';
import type { HTTPFault } from '../../support/fault-proxy.ts';
import { HTTP_BACKENDS } from './backends.ts';
import { content, expectSame, fault, get, keys, put } from './rig.ts';
import { whileTimePasses } from './time.ts';
import { NOT_THE_PROTOCOL, PROXY_ERRORS } from './words.ts';

const BYTES = content(20_000);

fault('Throttle (503 SlowDown, 429, 408, ServerBusy)', HTTP_BACKENDS, (rig, { words, puts, lists, gets }) => {
  it.each(words.throttled.map((answer) => [answer.status, answer] as const))(
    '%i is waited out, whatever is asked',
    async (_status, answer) => {
      const { proxy } = rig();
      const key = rig().key('object');
      const store = await rig().open();
      for (const when of [puts, lists, gets]) proxy.script({ when, fault: { type: 'answer', answer }, times: 3 });
      await put(store, key, BYTES);
      expect(await keys(store, rig().prefix)).toEqual([key]);
      expectSame(await get(store, key), BYTES);
      expect(proxy.outstanding).toBe(0);
    },
  );

  it('the time the service asks for is kept', async () => {
    const { proxy } = rig();
    const clock = new FakeClock();
    const store = await rig().open(rig().spec, clock);
    const [answer = { status: 503 }] = words.throttled;
    proxy.script({
      when: puts,
      fault: { type: 'answer', answer: { ...answer, headers: { ...answer.headers, 'retry-after': '17' } } },
      times: 2,
    });
    const begin = clock.now();
    await whileTimePasses(clock, put(store, rig().key('object'), BYTES), 34_000);
    expect(clock.now() - begin).toBeGreaterThanOrEqual(34_000);
    expect(proxy.outstanding).toBe(0);
  });

  it('an episode is one warning', async () => {
    const { proxy } = rig();
    const store = await rig().open();
    const [answer = { status: 503 }] = words.throttled;
    for (let i = 0; i < 3; i++) {
      proxy.script({ when: puts, fault: { type: 'answer', answer }, times: 3 });
      await put(store, rig().key(`object-${i}`), BYTES);
    }
    expect(rig().messages('warn')).toHaveLength(1);
  });

  it('without end it is an error that says so', async () => {
    const { proxy } = rig();
    const store = await rig().open();
    const [answer = { status: 503 }] = words.throttled;
    proxy.script({ when: puts, fault: { type: 'answer', answer }, times: Number.POSITIVE_INFINITY });
    await expect(put(store, rig().key('object'), BYTES)).rejects.toMatchObject({ code: 'STORAGE_THROTTLED' });
  });
});

fault('500/502/504, HTML from a proxy', HTTP_BACKENDS, (rig, { words, puts, lists, gets }) => {
  it.each(words.broken.map((answer) => [answer.status, answer] as const))(
    '%i is tried again, whatever is asked',
    async (_status, answer) => {
      const { proxy } = rig();
      const key = rig().key('object');
      const store = await rig().open();
      for (const when of [puts, lists, gets]) proxy.script({ when, fault: { type: 'answer', answer }, times: 2 });
      await put(store, key, BYTES);
      expect(await keys(store, rig().prefix)).toEqual([key]);
      expectSame(await get(store, key), BYTES);
      expect(proxy.outstanding).toBe(0);
    },
  );

  it.each(PROXY_ERRORS.map((answer) => [answer.status, answer] as const))(
    'an endless %i of HTML is told with its first words',
    async (status, answer) => {
      const { proxy } = rig();
      const store = await rig().open();
      proxy.script({ fault: { type: 'answer', answer }, times: Number.POSITIVE_INFINITY });
      const calls = [put(store, rig().key('object'), BYTES), keys(store, rig().prefix), get(store, rig().key('object'))];
      for (const result of await Promise.allSettled(calls)) {
        expect(result).toMatchObject({
          status: 'rejected',
          reason: {
            code: expect.stringMatching(/^(STORAGE_UNAVAILABLE|STORAGE_THROTTLED|RESPONSE_INVALID)$/),
            message: expect.stringMatching(new RegExp(`${status}.*unwell`)),
          },
        });
      }
    },
  );
});

fault('200 that is not the protocol', HTTP_BACKENDS, (rig, { puts, lists }) => {
  it.each(NOT_THE_PROTOCOL)('a listing that is %s is no empty listing', async (_what, answer) => {
    const { proxy } = rig();
    const store = await rig().open();
    proxy.script({ when: lists, fault: { type: 'answer', answer }, times: Number.POSITIVE_INFINITY });
    await expect(keys(store, rig().prefix)).rejects.toMatchObject({
      code: 'RESPONSE_INVALID',
      message: expect.stringContaining(`127.0.0.1:${proxy.port}`),
    });
    proxy.heal();
    expect(await keys(store, rig().prefix)).toEqual([]);
  });

  it.each(NOT_THE_PROTOCOL)('a put that is answered by %s is asked again', async (_what, answer) => {
    const { proxy } = rig();
    const key = rig().key('object');
    const store = await rig().open();
    proxy.script({ when: puts, fault: { type: 'answer', answer } });
    await put(store, key, BYTES);
    expect(proxy.outstanding).toBe(0);
    expectSame(await get(await rig().direct(), key), BYTES);
  });

  it.each([0.3, 0.6, 0.9])('a listing that breaks off after %d of it is no shorter listing', async (part) => {
    const { proxy } = rig();
    const store = await rig().open();
    const all = ['a', 'b', 'c', 'd'].map((name) => rig().key(name));
    for (const key of all) await put(store, key, BYTES.subarray(0, 100));
    const shorter: HTTPFault = {
      type: 'edit',
      edit: (answer) => ({ ...answer, body: answer.body.subarray(0, answer.body.length * part) }),
    };
    for (const fault of [
      shorter,
      { type: 'cut', of: 'answer', at: 'middle' } as const,
      { type: 'cut', of: 'answer', at: 'last byte' } as const,
    ]) {
      proxy.script({ when: lists, fault });
      expect(await keys(store, rig().prefix)).toEqual(all);
      expect(proxy.outstanding).toBe(0);
    }
  });
});
