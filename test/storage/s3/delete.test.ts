/** Deletes on the wire: batches, what could not be deleted, services without batches. */

import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { errorAnswer, keysOf, ScriptedS3, xml } from './scripted-s3.ts';

let server: ScriptedS3;
beforeEach(async () => {
  server = await ScriptedS3.start();
});
afterEach(() => server.stop());

const store = (spec = {}) => server.store({ endpoint: server.endpoint, ...spec });
const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `k${String(i).padStart(5, '0')}`);
const result = (deleted: readonly string[], failed: Readonly<Record<string, string>> = {}) => ({
  body: xml(
    `<DeleteResult>${deleted.map((key) => `<Deleted><Key>${key}</Key></Deleted>`).join('')}` +
      `${Object.entries(failed)
        .map(([key, code]) => `<Error><Key>${key}</Key><Code>${code}</Code><Message>no</Message></Error>`)
        .join('')}</DeleteResult>`,
  ),
});

test('nothing costs no request; 2,500 keys cost three', async () => {
  await store().delete([]);
  expect(server.seen).toEqual([]);
  await store().delete(keys(2500));
  expect(server.of('delete-many').map(({ body }) => keysOf(body).length)).toEqual([1000, 1000, 500]);
});

test('the MD5 is that of the body as sent; switched off, the checksum of the SDK stands', async () => {
  await store().delete(['a&b', 'c']);
  const [request] = server.seen;
  expect(request?.headers['content-md5']).toBe(
    createHash('md5')
      .update(request?.body ?? '')
      .digest('base64'),
  );
  expect(Object.keys(request?.headers ?? {}).filter((name) => /checksum/.test(name))).toEqual([]);
  await store({ requireContentMD5: false }).delete(['c']);
  expect(server.seen[1]?.headers['content-md5']).toBeUndefined();
  expect(server.seen[1]?.headers['x-amz-checksum-crc32']).toBeDefined();
});

test('every batch is tried, and every key that is left is told with its reason', async () => {
  server.script = ({ body }) => {
    const batch = keysOf(body);
    if (batch.includes('k00000')) return result(batch.slice(2), { k00000: 'AccessDenied', k00001: 'InternalError' });
    if (batch.includes('k01000')) return errorAnswer(500, 'InternalError');
    return undefined;
  };
  const error = await store()
    .delete(keys(2500))
    .catch((thrown: unknown) => thrown);
  expect(server.of('delete-many').length).toBe(3);
  expect(error).toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    message: expect.stringMatching(/1002 of 2500.*k00000 \(AccessDenied\), k00001 \(InternalError\)/),
    details: { failed: ['k00000', 'k00001', ...keys(2000).slice(1000)] },
  });
});

test('when any that failed may succeed later, the call may be repeated', async () => {
  server.script = ({ body }) => result(keysOf(body).slice(2), { k00000: 'AccessDenied', k00001: 'SlowDown' });
  await expect(store().delete(keys(3))).rejects.toMatchObject({ code: 'STORAGE_THROTTLED', details: { failed: ['k00000', 'k00001'] } });
  server.script = ({ body }) => result(keysOf(body).slice(1), { k00000: 'AccessDenied' });
  const refused = { code: 'ACCESS_DENIED', hint: expect.stringMatching(/s3:DeleteObject/), details: { failed: ['k00000'] } };
  await expect(store().delete(keys(3))).rejects.toMatchObject(refused);
});

test('a missing object counts as deleted, however that is told', async () => {
  server.script = ({ body, verb }) => (verb === 'delete-many' ? result(keysOf(body).slice(1), { k00000: 'NoSuchKey' }) : undefined);
  await store().delete(keys(3));
});

test('an answer that does not mention a key has not deleted it', async () => {
  server.script = ({ body }) => result(keysOf(body).slice(1));
  await expect(store().delete(keys(3))).rejects.toMatchObject({ code: 'RESPONSE_INVALID', details: { failed: ['k00000'] } });
  server.script = () => ({ body: '<html>log in</html>' });
  await expect(store().delete(keys(3))).rejects.toMatchObject({ code: 'RESPONSE_INVALID', details: { failed: keys(3) } });
});

test.each([
  [errorAnswer(501, 'NotImplemented')],
  [errorAnswer(405, 'MethodNotAllowed')],
  [{ status: 501 }],
  [errorAnswer(400, 'NotImplemented')],
])('after %j objects are deleted one by one, from then on at once', async (answer) => {
  server.script = ({ verb, path }) => {
    if (verb === 'delete-many') return answer;
    return path.endsWith('k00001') ? { status: 404 } : undefined;
  };
  const one = store();
  await one.delete(keys(20));
  await one.delete(keys(2));
  expect([server.of('delete-many').length, server.of('delete').length]).toEqual([1, 22]);
});

test('single deletes report what is left as batches do', async () => {
  server.script = ({ verb, path }) => {
    if (verb === 'delete-many') return errorAnswer(501, 'NotImplemented');
    return /k0000[35]$/.test(path) ? errorAnswer(403, 'AccessDenied') : undefined;
  };
  const error = await store()
    .delete(keys(40))
    .catch((thrown: { details?: { failed?: string[] } }) => thrown);
  expect(error).toMatchObject({ code: 'ACCESS_DENIED' });
  expect(error?.details?.failed?.sort()).toEqual(['k00003', 'k00005']);
  expect(server.of('delete').length).toBe(40);
});

test('a bucket that is missing is told as such', async () => {
  server.script = () => errorAnswer(404, 'NoSuchBucket');
  await expect(store().delete(keys(2))).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
});

test('an abort between batches ends at once', async () => {
  const controller = new AbortController();
  const reason = new Error('stop');
  server.script = () => {
    controller.abort(reason);
    return undefined;
  };
  await expect(store().delete(keys(1500), { signal: controller.signal })).rejects.toBe(reason);
  expect(server.seen.length).toBe(1);
});
