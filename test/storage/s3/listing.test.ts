/** Listings on the wire: pages, starts, and answers that must not be believed. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RetryStore } from '../../../src/storage/wrap/retry.ts';
import { collect, listKeys } from '../contract/bodies.ts';
import { errorAnswer, listAnswer, ScriptedS3, xml } from './scripted-s3.ts';

let server: ScriptedS3;
beforeEach(async () => {
  server = await ScriptedS3.start();
});
afterEach(() => server.stop());

const store = () => server.store({ endpoint: server.endpoint });

test('asks for the second version, with prefix and start', async () => {
  await listKeys(store(), 'db/0000/', 'db/0000/0000000000000005');
  expect(Object.fromEntries(server.seen[0]?.query ?? [])).toMatchObject({
    'list-type': '2',
    prefix: 'db/0000/',
    'start-after': 'db/0000/0000000000000005',
  });
});

test('goes on over pages, also over those with nothing in them', async () => {
  const pages = [
    { keys: ['a/1', 'a/2'], next: 't1' },
    { keys: [], next: 't2' },
    { keys: ['a/3'], next: undefined },
  ];
  server.script = ({ query }) => {
    const { keys, next } = pages[['t1', 't2'].indexOf(query.get('continuation-token') ?? '') + 1] ?? { keys: [], next: undefined };
    return listAnswer(keys, next === undefined ? {} : { next });
  };
  expect(await listKeys(store(), 'a/')).toEqual(['a/1', 'a/2', 'a/3']);
});

test('filters what a service sends that ignores the start or the prefix', async () => {
  server.script = () => listAnswer(['a/1', 'a/2', 'a/3', 'b/1']);
  expect(await listKeys(store(), 'a/', 'a/1')).toEqual(['a/2', 'a/3']);
});

test('stops asking when the consumer has seen enough', async () => {
  server.script = () => listAnswer(['a/1'], { next: 't' });
  for await (const { key } of store().list('a/')) if (key !== '') break;
  expect(server.seen.length).toBe(1);
});

describe('is never believed to be empty', () => {
  const bad = {
    'a login page': { headers: { 'content-type': 'text/html' }, body: '<html><body>log in</body></html>' },
    nothing: {},
    'other XML': { body: xml('<Something><Else/></Something>') },
    'a count without objects': {
      body: xml('<ListBucketResult><Name>b</Name><KeyCount>3</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>'),
    },
    'more without a place': listAnswer(['a'].slice(1), { next: '' }),
    'an object without time': {
      body: xml(
        '<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><Contents><Key>k</Key><Size>1</Size></Contents></ListBucketResult>',
      ),
    },
  };
  test.each(Object.entries(bad))('on the strength of %s', async (_, answer) => {
    server.script = () => answer;
    await expect(collect(store().list(''))).rejects.toMatchObject({ code: 'RESPONSE_INVALID', message: expect.stringContaining('bucket') });
  });

  test('when the same page comes for ever', async () => {
    server.script = () => listAnswer([], { next: 'same' });
    await expect(collect(store().list(''))).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    expect(server.seen.length).toBe(2);
  });

  test.each([
    [errorAnswer(403, 'AccessDenied'), 'ACCESS_DENIED'],
    [{ status: 403 }, 'ACCESS_DENIED'],
    [errorAnswer(404, 'NoSuchBucket'), 'CONTAINER_NOT_FOUND'],
    [{ status: 404, body: '<html>gone</html>' }, 'CONTAINER_NOT_FOUND'],
    [errorAnswer(404, 'NoSuchKey'), 'CONTAINER_NOT_FOUND'],
    [errorAnswer(503, 'SlowDown'), 'STORAGE_THROTTLED'],
    [{ status: 503, body: '<html>maintenance</html>' }, 'STORAGE_UNAVAILABLE'],
    [errorAnswer(200, 'InternalError'), 'STORAGE_UNAVAILABLE'],
  ])('after %j', async (answer, code) => {
    server.script = () => answer;
    await expect(collect(store().list(''))).rejects.toMatchObject({ code });
  });
});

test('an error on a later page is an error of the listing; a repetition goes on behind the last key', async () => {
  let failed = false;
  server.script = ({ query }) => {
    if (query.has('continuation-token') && !failed) {
      failed = true;
      return errorAnswer(500, 'InternalError');
    }
    const after = query.get('start-after') ?? '';
    if (query.has('continuation-token')) return listAnswer(['a/3']);
    return listAnswer(['a/1', 'a/2', 'a/3'].filter((key) => key > after).slice(0, 2), after === '' ? { next: 't' } : {});
  };
  const retried = new RetryStore(store(), { settings: { attempts: 3, initialMs: 1, capMs: 1 } });
  expect(await listKeys(retried, 'a/')).toEqual(['a/1', 'a/2', 'a/3']);
  expect(server.seen.at(-1)?.query.get('start-after')).toBe('a/2');
});
