/** What answers of Cloud Storage, and answers of others in its place, mean: against a scripted server. */

import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../../src/base/errors.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { GCSStore } from '../../../src/storage/gs/gs.ts';
import type { Script } from '../../support/scripted-http.ts';
import { listAll, listKeys, patternBytes } from '../contract/bodies.ts';
import {
  OPERATIONS as COMMON_OPERATIONS,
  cutListings,
  foreignAnswers,
  type Operations,
  refusals,
  unreachableServices,
} from '../scripted-answers.ts';
import { ScriptedService } from '../scripted-service.ts';
import { fail, isList, json, listing, MARKS, object, scriptedGCS } from './scripted.ts';

const service = new ScriptedService(scriptedGCS);
const answering = service.storeAnswered;

const OPERATIONS: Operations = {
  ...COMMON_OPERATIONS,
  'put of a large object': (store) => store.put('db/a', bytesBody(Buffer.alloc(9_000_000))),
};
const REPEATED: readonly ErrorCode[] = ['STORAGE_UNAVAILABLE', 'STORAGE_THROTTLED', 'STORAGE_FULL'];

describe('an answer that is not the service', () => {
  foreignAnswers(service, OPERATIONS, {
    'a page of HTML': ['text/html', '<!DOCTYPE html><html><body><p>Please log in<br></body></html>'],
    'an empty body': ['application/json', ''],
    'an empty object': ['application/json', '{}'],
    'a list that is none of objects': ['application/json', '{"kind":"storage#buckets","items":[]}'],
    'a null': ['application/json', 'null'],
    XML: ['application/xml', '<?xml version="1.0"?><ListBucketResult/>'],
    'half an answer': ['application/json', '{"kind":"storage#objects","items":['],
  });

  const whole = JSON.stringify(listing([{ name: 'db/a' }, { name: 'db/b' }]));
  cutListings(service, { whole, head: { 'content-type': 'application/json' }, cuts: [0, 1, 25, whole.length - 1] });

  test('items that are no objects are RESPONSE_INVALID', async () => {
    for (const items of [{}, [null], [{ name: 'a' }], [{ name: 'a', size: 3, generation: '1' }]]) {
      const store = await answering((_, response) => json(response, 200, { kind: 'storage#objects', items }));
      await expect(listAll(store), JSON.stringify(items)).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    }
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
    }
  });
});

describe('a refusal', () => {
  refusals(service, OPERATIONS, {
    fail,
    requestID: 'upload-7',
    named: ['bucket box'],
    throttled: 'rateLimitExceeded',
    // See transfers.test.ts.
    isRepeated: (operation, ours) => operation === 'put of a large object' && REPEATED.includes(ours),
    table: [
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
    ],
  });

  test('names the principal and the right that is missing, as the service says it', async () => {
    const message = 'sa@project.iam.gserviceaccount.com does not have storage.objects.list access to the Google Cloud Storage bucket.';
    const store = await answering((_, response) => fail(response, 403, 'forbidden', { message }));
    const failure = (await listAll(store).catch((error: unknown) => error)) as Error;
    expect(failure.message).toContain('sa@project.iam.gserviceaccount.com does not have storage.objects.list access');
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
    const failing = await answering(without((_, response) => fail(response, 503, 'backendError')));
    for (const run of single) await expect(run(failing)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  test('costs one look at the bucket however many objects are missing', async () => {
    const store = await answering(without((_, response) => json(response, 200, listing([]))));
    await store.delete(Array.from({ length: 50 }, (_, i) => `db/${i}`));
    expect(service.asked.filter(({ url }) => isList(url))).toHaveLength(1);
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
    const queries = service.asked.map(({ url }) => new URL(url, 'http://x').searchParams) ?? [];
    expect(queries.map((query) => query.get('pageToken'))).toEqual([null, 'p2', 'p3']);
    expect([queries[0]?.get('prefix'), queries[0]?.get('delimiter'), queries[0]?.get('maxResults')]).toEqual(['db/', null, '1000']);
    expect(service.asked[0]?.headers['user-agent']).toBe('litestream');
  });

  test('begins at a key, which the service includes and we leave out', async () => {
    const store = await answering((_, response) => json(response, 200, listing([{ name: 'db/b' }, { name: 'db/c' }])));
    expect(await listKeys(store, 'db/', 'db/b')).toEqual(['db/c']);
    expect(new URL(service.asked[0]?.url ?? '', 'http://x').searchParams.get('startOffset')).toBe('db/b');
  });

  test('that is left early asks for no further page', async () => {
    const store = await answering((_, response) => json(response, 200, listing([{ name: 'a' }, { name: 'b' }], 'more')));
    for await (const _ of store.list('')) break;
    expect(service.asked).toHaveLength(1);
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
  expect(service.asked).toHaveLength(40);
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

unreachableServices((endpoint) => new GCSStore({ type: 'gs', bucket: 'box', path: '', endpoint }));
