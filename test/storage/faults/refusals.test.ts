/** What only a person can change: it is told at once, never taken for absence, and over as soon as it is changed. */

import { expect, it } from 'vitest';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import type { Backend } from './backend.ts';
import { BACKENDS, HTTP_BACKENDS } from './backends.ts';
import { content, expectSame, fault, get, keys, put, type Rig } from './rig.ts';

const BYTES = content(20_000);

/** The error of each kind of call but `stat`: the answer to a HEAD request has no words. */
async function failures(rig: Rig<Backend>, store: ObjectStore): Promise<(Error & { code: string; hint?: string })[]> {
  const key = rig.key('object');
  const calls = [put(store, key, BYTES), keys(store, rig.prefix), get(store, key), store.delete([key])];
  const results = await Promise.allSettled(calls);
  return results.map((result) =>
    result.status === 'rejected' ? result.reason : new Error(`succeeded with ${JSON.stringify(result.value)}`),
  );
}

const WITH_CONTAINERS = BACKENDS.filter(({ name }) => !/sftp|webdav/.test(name));

fault('Container missing', WITH_CONTAINERS, (rig) => {
  it('is told by its name with what to do, and is no empty listing', async () => {
    const { place, proxy } = rig();
    const spec = place.missingContainer?.(proxy.port);
    if (spec === undefined || !('bucket' in spec)) throw new Error('this kind of store has no containers');
    const store = await rig().open(spec);
    for (const error of await failures(rig(), store)) {
      expect(error).toMatchObject({ code: 'CONTAINER_NOT_FOUND', message: expect.stringContaining(spec.bucket) });
      expect(error.hint ?? '').not.toBe('');
    }
  });
});

fault('Permission denied', HTTP_BACKENDS, (rig, { words }) => {
  it('is told with the operation, asked once, and never an empty listing', async () => {
    const { proxy } = rig();
    const store = await rig().open();
    proxy.script({ fault: { type: 'answer', answer: words.denied }, times: Number.POSITIVE_INFINITY });
    for (const error of await failures(rig(), store)) {
      expect(error).toMatchObject({ code: 'ACCESS_DENIED' });
      expect(error.hint ?? '').not.toBe('');
    }
    const asked = proxy.seen.length;
    await expect(keys(store, rig().prefix)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(proxy.seen.length - asked).toBeLessThanOrEqual(2);
    proxy.heal();
    expect(await keys(store, rig().prefix)).toEqual([]);
  });
});

fault('Credentials expired', HTTP_BACKENDS, (rig, { words }) => {
  it('are told as such, and the same client goes on when they are good again', async () => {
    const { proxy } = rig();
    const store = await rig().open();
    proxy.script({ fault: { type: 'answer', answer: words.expired }, times: Number.POSITIVE_INFINITY });
    for (const error of await failures(rig(), store)) expect(error.code).toBe('CREDENTIALS_INVALID');
    proxy.heal();
    await put(store, rig().key('object'), BYTES);
    expectSame(await get(store, rig().key('object')), BYTES);
  });
});

fault(
  'Credentials expired',
  BACKENDS.filter(({ name }) => !/gs|nats/.test(name)),
  (rig) => {
    it('a wrong login is refused by the server itself, told as such, and never an empty listing', async () => {
      const { place, proxy } = rig();
      const spec = place.wrongCredentials?.(proxy.port);
      if (spec === undefined) throw new Error('nobody logs in there');
      const store = await rig().open(spec);
      // azurite has one word for both.
      const expected = rig().backend.name === 'abs' ? /CREDENTIALS_INVALID|ACCESS_DENIED/ : /CREDENTIALS_INVALID/;
      for (const error of await failures(rig(), store)) expect(error.code).toMatch(expected);
      for (const error of await failures(rig(), store)) expect(`${error.message}${error.hint}${error.cause}`).not.toContain('wrong-secret');
    });
  },
);

fault('Read-only destination', HTTP_BACKENDS, (rig, { words, puts, deletes }) => {
  it('is read all the same, and refuses what is written', async () => {
    const { proxy } = rig();
    const key = rig().key('object');
    await put(await rig().direct(), key, BYTES);
    const store = await rig().open();
    for (const when of [puts, deletes])
      proxy.script({ when, fault: { type: 'answer', answer: words.denied }, times: Number.POSITIVE_INFINITY });
    await expect(put(store, rig().key('other'), BYTES)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(await keys(store, rig().prefix)).toEqual([key]);
    expectSame(await get(store, key), BYTES);
  });
});

fault('Delete denied only', HTTP_BACKENDS, (rig, { words, deletes }) => {
  it('uploads go on, and the keys that stay are told', async () => {
    const { proxy } = rig();
    const names = ['a', 'b', 'c'].map((name) => rig().key(name));
    const store = await rig().open();
    for (const key of names) await put(store, key, BYTES);
    proxy.script({ when: deletes, fault: { type: 'answer', answer: words.denied }, times: Number.POSITIVE_INFINITY });
    const error = await store.delete(names).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      code: 'ACCESS_DENIED',
      details: { failed: expect.toSatisfy((failed: string[]) => failed.toSorted().join() === names.join()) },
    });
    await put(store, rig().key('d'), BYTES);
    expect(await keys(store, rig().prefix)).toEqual([...names, rig().key('d')]);
    proxy.heal();
    await store.delete(names);
    expect(await keys(store, rig().prefix)).toEqual([rig().key('d')]);
  });
});

fault(
  'Destination full / quota',
  HTTP_BACKENDS.filter(({ words }) => words.full !== undefined),
  (rig, { words, puts }) => {
    it('is told as such, leaves nothing behind, and is over when there is room', async () => {
      const { proxy } = rig();
      const key = rig().key('object');
      const store = await rig().open();
      proxy.script({ when: puts, fault: { type: 'answer', answer: words.full ?? { status: 507 } }, times: Number.POSITIVE_INFINITY });
      await expect(put(store, key, BYTES)).rejects.toMatchObject({ code: 'STORAGE_FULL' });
      proxy.heal();
      expect(await keys(await rig().direct(), rig().prefix)).toEqual([]);
      await put(store, key, BYTES);
      expectSame(await get(store, key), BYTES);
    });
  },
);

fault(
  'Archived object',
  HTTP_BACKENDS.filter(({ words }) => words.archived !== undefined),
  (rig, { words, gets }) => {
    it('is refused with what to do', async () => {
      const { proxy } = rig();
      const key = rig().key('object');
      await put(await rig().direct(), key, BYTES);
      const store = await rig().open();
      proxy.script({ when: gets, fault: { type: 'answer', answer: words.archived ?? { status: 403 } }, times: Number.POSITIVE_INFINITY });
      await expect(get(store, key)).rejects.toMatchObject({ code: 'OBJECT_ARCHIVED', hint: expect.any(String) });
    });
  },
);
