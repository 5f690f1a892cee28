/** What answers of Cloud Storage, and answers of others in its place, mean: against a scripted server. */

import { afterEach, describe, expect, test } from 'vitest';
import { errorToData } from '../../../src/base/errors.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { GCSStore } from '../../../src/storage/gs/gs.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import type { Script } from '../../support/scripted-http.ts';
import { listAll, listKeys, patternBytes } from '../contract/bodies.ts';
import { fail, isList, json, listing, MARKS, object, type ScriptedGCS, scriptedGCS } from './scripted.ts';

let gcs: ScriptedGCS | undefined;
afterEach(async () => {
  await gcs?.close();
  gcs = undefined;
});

async function answering(script: Script): Promise<ObjectStore> {
  gcs = await scriptedGCS(script);
  return gcs.store;
}

const OPERATIONS: Readonly<Record<string, (store: ObjectStore) => Promise<unknown>>> = {
  list: (store) => listAll(store, 'db/'),
  open: (store) => store.open('db/a'),
  stat: (store) => store.stat('db/a'),
  put: (store) => store.put('db/a', bytesBody(patternBytes(3))),
  'put of a large object': (store) => store.put('db/a', bytesBody(Buffer.alloc(9_000_000))),
  delete: (store) => store.delete(['db/a']),
};

describe('an answer that is not the service', () => {
  const pages: Readonly<Record<string, readonly [type: string, text: string]>> = {
    'a page of HTML': ['text/html', '<!DOCTYPE html><html><body><p>Please log in<br></body></html>'],
    'an empty body': ['application/json', ''],
    'an empty object': ['application/json', '{}'],
    'a list that is none of objects': ['application/json', '{"kind":"storage#buckets","items":[]}'],
    'a null': ['application/json', 'null'],
    XML: ['application/xml', '<?xml version="1.0"?><ListBucketResult/>'],
    'half an answer': ['application/json', '{"kind":"storage#objects","items":['],
  };
  for (const [title, [type, text]] of Object.entries(pages)) {
    test(`${title} with status 200 is RESPONSE_INVALID for every operation, and never an empty listing`, async () => {
      const store = await answering((_, response) => response.writeHead(200, { 'content-type': type }).end(text));
      for (const [name, run] of Object.entries(OPERATIONS))
        await expect(run(store), name).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    });
  }

  test('a listing that is cut is an error that is tried again, wherever it is cut', async () => {
    const whole = JSON.stringify(listing([{ name: 'db/a' }, { name: 'db/b' }]));
    for (const at of [0, 1, 25, whole.length - 1]) {
      const store = await answering((_, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(whole.length) });
        response.write(whole.slice(0, at));
        setTimeout(() => response.destroy(), 5);
      });
      expect(await listAll(store).catch((error: unknown) => error), `cut at ${at}`).toMatchObject({ disposition: 'retry' });
      await gcs?.close();
    }
  });

  test('items that are no objects are RESPONSE_INVALID', async () => {
    for (const items of [{}, [null], [{ name: 'a' }], [{ name: 'a', size: 3, generation: '1' }]]) {
      const store = await answering((_, response) => json(response, 200, { kind: 'storage#objects', items }));
      await expect(listAll(store), JSON.stringify(items)).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
      await gcs?.close();
    }
  });

  test('a 404 of somebody else is no missing object', async () => {
    const store = await answering((_, response) => response.writeHead(404, { 'content-type': 'text/html' }).end('<html>nothing here'));
    for (const [name, run] of Object.entries(OPERATIONS))
      await expect(run(store), name).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });

  test('a redirect is not followed', async () => {
    const store = await answering((_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/login' }).end());
    for (const [name, run] of Object.entries(OPERATIONS))
      await expect(run(store), name).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });

  test('an upload that is answered with another object is not believed', async () => {
    for (const given of [{ name: 'db/b' }, { name: 'db/a', size: 4 }]) {
      const store = await answering((_, response) => json(response, 200, object(given)));
      await expect(store.put('db/a', bytesBody(patternBytes(3)))).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
      await gcs?.close();
    }
  });
});

describe('a refusal', () => {
  const table: readonly (readonly [status: number, reason: string, ours: string])[] = [
    [403, 'forbidden', 'ACCESS_DENIED'],
    [403, 'insufficientPermissions', 'ACCESS_DENIED'],
    [403, 'accountDisabled', 'ACCESS_DENIED'],
    [403, 'retentionPolicyNotMet', 'ACCESS_DENIED'],
    [403, 'objectUnderActiveHold', 'ACCESS_DENIED'],
    [403, 'rateLimitExceeded', 'STORAGE_THROTTLED'],
    [403, 'quotaExceeded', 'STORAGE_FULL'],
    [401, 'authError', 'CREDENTIALS_INVALID'],
    [401, 'required', 'CREDENTIALS_INVALID'],
    [429, 'rateLimitExceeded', 'STORAGE_THROTTLED'],
    [408, 'uploadBrokenConnection', 'STORAGE_UNAVAILABLE'],
    [500, 'internalError', 'STORAGE_UNAVAILABLE'],
    [502, 'badGateway', 'STORAGE_UNAVAILABLE'],
    [503, 'backendError', 'STORAGE_UNAVAILABLE'],
    [504, 'gatewayTimeout', 'STORAGE_UNAVAILABLE'],
    [412, 'conditionNotMet', 'PRECONDITION_FAILED'],
    [409, 'conflict', 'STORAGE_UNAVAILABLE'],
    [400, 'invalid', 'NOT_SUPPORTED'],
  ];
  for (const [status, reason, ours] of table) {
    test(`${status} ${reason} is ${ours} for every operation, with what a person needs`, async () => {
      const store = await answering((_, response) => fail(response, status, reason));
      for (const [name, run] of Object.entries(OPERATIONS)) {
        if (name === 'put of a large object' && ['STORAGE_UNAVAILABLE', 'STORAGE_THROTTLED', 'STORAGE_FULL'].includes(ours)) continue; // repeated: transfers.test.ts
        const before = gcs?.server.asked.length ?? 0;
        const failure = await run(store).catch((error: unknown) => error);
        expect(failure, name).toMatchObject({ code: ours });
        const { message, hint, details } = errorToData(failure);
        expect(message).toContain('bucket box');
        expect(message).toContain('db/');
        expect(message).toContain(reason);
        expect(hint?.length ?? 0).toBeGreaterThan(20);
        expect(details).toMatchObject({ status, provider: reason, requestID: 'upload-7' });
        expect((gcs?.server.asked.length ?? 0) - before, name).toBe(1);
      }
    });
  }

  test('names the principal and the right that is missing, as the service says it', async () => {
    const message = 'sa@project.iam.gserviceaccount.com does not have storage.objects.list access to the Google Cloud Storage bucket.';
    const store = await answering((_, response) => fail(response, 403, 'forbidden', { message }));
    const failure = (await listAll(store).catch((error: unknown) => error)) as Error;
    expect(failure.message).toContain('sa@project.iam.gserviceaccount.com does not have storage.objects.list access');
  });

  test('keeps the delay the service asks for', async () => {
    const store = await answering((_, response) => fail(response, 429, 'rateLimitExceeded', { headers: { 'retry-after': '7' } }));
    await expect(store.stat('db/a')).rejects.toMatchObject({ code: 'STORAGE_THROTTLED', details: { retryAfterMs: 7000 } });
  });
});

describe('what is missing', () => {
  /** Objects are never there; listings answer as told. */
  const without =
    (list: Script): Script =>
    (asked, response, nth) => {
      if (isList(asked.url)) list(asked, response, nth);
      else if (asked.url.includes('alt=media'))
        response.writeHead(404, { ...MARKS, 'content-type': 'text/html' }).end('No such object: box/db/a');
      else fail(response, 404, 'notFound');
    };
  const single = ['open', 'stat'].map((name) => OPERATIONS[name]).filter((run) => run !== undefined);

  test('is the object where the bucket can be listed', async () => {
    const store = await answering(without((_, response) => json(response, 200, listing([{ name: 'db/a-other' }]))));
    for (const run of single) await expect(run(store)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    await store.delete(['db/a', 'db/b']);
  });

  test('is the bucket where it cannot, and nothing counts as deleted then', async () => {
    const store = await answering(without((_, response) => fail(response, 404, 'notFound')));
    for (const [name, run] of Object.entries(OPERATIONS)) {
      const failure = await run(store).catch((error: unknown) => error);
      expect(failure, name).toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
      expect((failure as Error).message).toContain('box');
    }
  });

  test('is the object where there is no right to list', async () => {
    const store = await answering(without((_, response) => fail(response, 403, 'forbidden')));
    for (const run of single) await expect(run(store)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    await store.delete(['db/a']);
  });

  test('is not believed where the listing has it, or gives no answer', async () => {
    const store = await answering(without((_, response) => json(response, 200, listing([{ name: 'db/a' }]))));
    for (const run of single) await expect(run(store)).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    await gcs?.close();
    const failing = await answering(without((_, response) => fail(response, 503, 'backendError')));
    for (const run of single) await expect(run(failing)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  test('costs one look at the bucket however many objects are missing', async () => {
    const store = await answering(without((_, response) => json(response, 200, listing([]))));
    await store.delete(Array.from({ length: 50 }, (_, i) => `db/${i}`));
    expect(gcs?.server.asked.filter(({ url }) => isList(url))).toHaveLength(1);
  });
});

describe('a listing', () => {
  test('follows its pages lazily, empty ones too, with times from the metadata', async () => {
    const pages = [
      listing([{ name: 'db/a', metadata: { 'litestream-timestamp': '2026-01-02T03:04:05.678901234Z' } }], 'p2'),
      listing([], 'p3'),
      listing([{ name: 'db/e' }, { name: 'elsewhere' }]),
    ];
    const store = await answering((_, response, nth) => json(response, 200, pages[nth - 1] ?? {}));
    expect(await listAll(store, 'db/')).toEqual([
      { key: 'db/a', size: 3, createdAt: Date.parse('2026-01-02T03:04:05.678Z') },
      { key: 'db/e', size: 3, createdAt: Date.parse('2025-07-01T10:00:00Z'), exactTime: false },
    ]);
    const queries = gcs?.server.asked.map(({ url }) => new URL(url, 'http://x').searchParams) ?? [];
    expect(queries.map((query) => query.get('pageToken'))).toEqual([null, 'p2', 'p3']);
    expect([queries[0]?.get('prefix'), queries[0]?.get('delimiter'), queries[0]?.get('maxResults')]).toEqual(['db/', null, '1000']);
    expect(gcs?.server.asked[0]?.headers['user-agent']).toBe('litestream');
  });

  test('begins at a key, which the service includes and we leave out', async () => {
    const store = await answering((_, response) => json(response, 200, listing([{ name: 'db/b' }, { name: 'db/c' }])));
    expect(await listKeys(store, 'db/', 'db/b')).toEqual(['db/c']);
    expect(new URL(gcs?.server.asked[0]?.url ?? '', 'http://x').searchParams.get('startOffset')).toBe('db/b');
  });

  test('that is left early asks for no further page', async () => {
    const store = await answering((_, response) => json(response, 200, listing([{ name: 'a' }, { name: 'b' }], 'more')));
    for await (const _ of store.list('')) break;
    expect(gcs?.server.asked).toHaveLength(1);
  });

  test('that names the same page again and again is RESPONSE_INVALID', async () => {
    const store = await answering((_, response) => json(response, 200, listing([], 'same')));
    await expect(listAll(store)).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });
});

test('a deletion that fails for some keys tries all the others, and names the ones that are left in their order', async () => {
  const store = await answering(({ url }, response) => {
    if (url.includes('3')) fail(response, 403, 'retentionPolicyNotMet');
    else response.writeHead(204, MARKS).end();
  });
  const keys = Array.from({ length: 40 }, (_, i) => `db/${i}`);
  const failure = await store.delete(keys).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'ACCESS_DENIED', details: { failed: keys.filter((key) => key.includes('3')) } });
  expect((failure as Error).message).toContain('db/3 (retentionPolicyNotMet)');
  expect(gcs?.server.asked).toHaveLength(40);
});

test('a deletion that is throttled for some can be repeated as a whole', async () => {
  const store = await answering(({ url }, response) => {
    if (url.endsWith('1?')) fail(response, 403, 'forbidden');
    else fail(response, 429, 'rateLimitExceeded', { headers: { 'retry-after': '3' } });
  });
  await expect(store.delete(['db/1', 'db/2'])).rejects.toMatchObject({
    code: 'STORAGE_THROTTLED',
    details: { retryAfterMs: 3000, failed: ['db/1', 'db/2'] },
  });
});

test('a service that cannot be reached says why', async () => {
  for (const [endpoint, word] of [
    ['http://127.0.0.1:1', 'ECONNREFUSED'],
    ['http://no-such-host.invalid', /ENOTFOUND|EAI_AGAIN/],
  ] as const) {
    const store = new GCSStore({ type: 'gs', bucket: 'box', path: '', endpoint });
    const failure = await listAll(store).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect((failure as Error).message).toMatch(word);
    await store.close();
  }
});
