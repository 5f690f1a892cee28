/** Deletions of many keys of which some fail. */

import { expect, it } from 'vitest';
import type { Answer } from '../../support/fault-proxy.ts';
import { HTTP_BACKENDS } from './backends.ts';
import { content, fault, keys, put } from './rig.ts';

const BYTES = content(100);
const NAMES = ['a', 'b', 'c', 'd'];
const WITH_BATCHES = HTTP_BACKENDS.filter(({ name }) => name === 's3' || name === 'oss');
/** OSS leaves a key it has not deleted out of its answer, without a word. */
const WITH_REASONS = HTTP_BACKENDS.filter(({ name }) => name === 's3');

/** The answer of a server that did not delete one of them. */
const failing =
  (key: string, code: string) =>
  (answer: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Buffer }): Answer => {
    const error = `<Error><Key>${key}</Key><Code>${code}</Code><Message>no</Message></Error>`;
    const text = answer.body.toString().replace(new RegExp(`<Deleted><Key>${key}</Key>.*?</Deleted>`, 's'), '');
    return {
      ...answer,
      body: text.includes('</DeleteResult>')
        ? text.replace('</DeleteResult>', `${error}</DeleteResult>`)
        : `<DeleteResult>${error}</DeleteResult>`,
    };
  };

fault('Partial multi-delete', WITH_REASONS, (rig, { deletes }) => {
  it('a key that is refused is told, the others are gone', async () => {
    const { proxy } = rig();
    const store = await rig().open();
    const all = NAMES.map((name) => rig().key(name));
    for (const key of all) await put(store, key, BYTES);
    proxy.script({ when: deletes, fault: { type: 'edit', edit: failing(rig().key('b'), 'AccessDenied') } });
    await expect(store.delete(all)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      details: { failed: [rig().key('b')] },
    });
    expect(proxy.outstanding).toBe(0);
  });
});

fault('Partial multi-delete', WITH_BATCHES, (rig, { deletes }) => {
  it('a key that failed for the moment is deleted after all', async () => {
    const { proxy } = rig();
    const store = await rig().open();
    const all = NAMES.map((name) => rig().key(name));
    for (const key of all) await put(store, key, BYTES);
    proxy.script({ when: deletes, fault: { type: 'edit', edit: failing(rig().key('b'), 'InternalError') } });
    await store.delete(all);
    expect(proxy.outstanding).toBe(0);
    expect(await keys(store, rig().prefix)).toEqual([]);
  });

  it('an answer that is nothing of the kind is not taken for success', async () => {
    const { proxy } = rig();
    const store = await rig().open();
    const all = NAMES.map((name) => rig().key(name));
    for (const key of all) await put(store, key, BYTES);
    proxy.script({
      when: deletes,
      fault: { type: 'answer', answer: { status: 200, headers: { 'content-type': 'text/html' }, body: '<html></html>' } },
    });
    await store.delete(all);
    expect(await keys(store, rig().prefix)).toEqual([]);
  });
});

fault('Batch delete unsupported', WITH_REASONS, (rig, { deletes }) => {
  it('the keys are deleted one by one, and the batch is not tried again', async () => {
    const { proxy } = rig();
    const store = await rig().open();
    const all = NAMES.map((name) => rig().key(name));
    const answer = {
      status: 501,
      headers: { 'content-type': 'application/xml' },
      body: '<Error><Code>NotImplemented</Code><Message>no</Message></Error>',
    };
    proxy.script({
      when: (request) => deletes(request) && request.method === 'POST',
      fault: { type: 'answer', answer },
      times: Number.POSITIVE_INFINITY,
    });
    for (let round = 0; round < 2; round++) {
      for (const key of all) await put(store, key, BYTES);
      await store.delete(all);
      expect(await keys(store, rig().prefix)).toEqual([]);
    }
    expect(proxy.count('POST')).toBe(1);
    expect(proxy.count('DELETE')).toBe(8);
  });
});
