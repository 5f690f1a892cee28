import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ErrorCode, errorToData } from '../../../src/base/errors.ts';
import type { OSSStore } from '../../../src/storage/oss/oss.ts';
import { chunkedBody, collect, getBytes, hangingBody, listAll, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { ScriptedServer } from './scripted.ts';

let server: ScriptedServer;
let store: OSSStore;
beforeEach(async () => {
  server = await ScriptedServer.start();
  store = server.store();
});
afterEach(() => server.stop());

/** Every operation but deleting. */
const operations: readonly (readonly [string, (store: OSSStore) => Promise<unknown>])[] = [
  ['list', (one) => listKeys(one)],
  ['open', (one) => one.open('k')],
  ['stat', (one) => one.stat('k')],
  ['put', (one) => putBytes(one, 'k', patternBytes(10))],
];

describe('a refusal', () => {
  test.each<[number, string, ErrorCode]>([
    [404, 'NoSuchKey', 'OBJECT_NOT_FOUND'],
    [404, 'NoSuchBucket', 'CONTAINER_NOT_FOUND'],
    [403, 'AccessDenied', 'ACCESS_DENIED'],
    [403, 'InDebt', 'ACCESS_DENIED'],
    [403, 'InvalidAccessKeyId', 'CREDENTIALS_INVALID'],
    [403, 'SignatureDoesNotMatch', 'CREDENTIALS_INVALID'],
    [403, 'SecurityTokenExpired', 'CREDENTIALS_INVALID'],
    [403, 'InvalidObjectState', 'OBJECT_ARCHIVED'],
    [409, 'FileAlreadyExists', 'PRECONDITION_FAILED'],
    [412, 'PreconditionFailed', 'PRECONDITION_FAILED'],
    [400, 'RequestTimeout', 'STORAGE_UNAVAILABLE'],
    [400, 'InvalidDigest', 'STORAGE_UNAVAILABLE'],
    [500, 'InternalError', 'STORAGE_UNAVAILABLE'],
    [502, 'Unknown', 'STORAGE_UNAVAILABLE'],
    [503, 'ServiceUnavailable', 'STORAGE_THROTTLED'],
    [503, 'QpsLimitExceeded', 'STORAGE_THROTTLED'],
    [429, 'TooMany', 'STORAGE_THROTTLED'],
    [507, 'QuotaExceeded', 'STORAGE_FULL'],
    [501, 'NotImplemented', 'NOT_SUPPORTED'],
  ])('%i %s is %s, for every operation, with what it was about', async (status, code, ours) => {
    server.refuse(status, code);
    for (const [name, operation] of operations) {
      const error = await operation(store).catch((thrown: unknown) => thrown);
      expect(error, name).toMatchObject({
        code: ours,
        message: expect.stringMatching(/OSS bucket backups.*REQUEST-1/s),
        details: { bucket: 'backups', provider: code, status, requestID: 'REQUEST-1' },
      });
      expect(JSON.stringify(errorToData(error))).not.toMatch(/a-secret-of-tests|LTAItestaccesskey/);
    }
  });

  test('asks for patience, and is told so', async () => {
    server.refuse(503, 'ServiceUnavailable', { 'retry-after': '7' });
    await expect(store.stat('k')).rejects.toMatchObject({ code: 'STORAGE_THROTTLED', details: { retryAfterMs: 7_000 } });
  });

  test('of the wrong region names the right endpoint', async () => {
    server.refuse(403, 'AccessDenied', {}, '<Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint>');
    await expect(listKeys(store)).rejects.toMatchObject({ hint: expect.stringContaining('oss-cn-beijing.aliyuncs.com') });
  });

  test('without a word is believed to mean the object only if the bucket is there', async () => {
    const bare = { 'x-oss-request-id': undefined, 'content-type': 'text/html' };
    server.answer(404, '<html>not found</html>', bare);
    await expect(store.stat('k')).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    server.answer(404, '', { 'x-oss-request-id': 'R' });
    await expect(store.open('k')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    server.script = (request, response) => {
      const text = '<Error><Code>NoSuchBucket</Code></Error>';
      response.writeHead(404, { 'x-oss-request-id': 'R' }).end(request.url?.includes('list-type') ? text : undefined);
    };
    await expect(store.stat('k')).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
  });

  test('for a wrong clock is answered once with the right one', async () => {
    const ahead = 3 * 3_600_000;
    server.script = (request, response) => {
      const stamp = String(request.headers['x-oss-date']).replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
      const isRight = Math.abs(Date.parse(stamp) - Date.now() - ahead) < 900_000;
      const date = new Date(Date.now() + ahead).toUTCString();
      if (isRight) response.writeHead(200, { 'x-oss-request-id': 'R', date, etag: '"E"' }).end();
      else response.writeHead(403, { 'x-oss-request-id': 'R', date }).end('<Error><Code>RequestTimeTooSkewed</Code></Error>');
    };
    await putBytes(store, 'k', patternBytes(10));
    expect(server.asked).toHaveLength(2);
    await putBytes(store, 'k', patternBytes(10));
    expect(server.asked).toHaveLength(3);
    server.refuse(403, 'RequestTimeTooSkewed');
    await expect(putBytes(store, 'k', patternBytes(10))).rejects.toMatchObject({
      code: 'CREDENTIALS_INVALID',
      hint: expect.stringMatching(/clock/),
    });
    expect(server.asked).toHaveLength(5);
  });
});

describe('an answer that is not the protocol', () => {
  test.each<[string, number, string, Record<string, string | undefined>]>([
    ['a login page', 200, '<html><body>log in</body></html>', { 'x-oss-request-id': undefined, 'content-type': 'text/html' }],
    ['nothing', 200, '', { 'x-oss-request-id': undefined }],
    ['a page with a number of OSS', 200, '<html></html>', { etag: undefined }],
    ['a redirection', 302, '', { 'x-oss-request-id': undefined, location: 'http://127.0.0.1:1/' }],
    ['a refusal by a proxy', 403, '<html>blocked</html>', { 'x-oss-request-id': undefined, 'content-type': 'text/html' }],
  ])('such as %s is never taken for one', async (name, status, body, headers) => {
    server.answer(status, body, headers);
    for (const [operation, run] of operations) {
      if (operation === 'open' && name === 'a page with a number of OSS') continue; // any bytes are an object
      await expect(run(store), operation).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    }
    await expect(store.delete(['a', 'b'])).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });

  const page = (inside: string) => `<ListBucketResult><Name>backups</Name>${inside}</ListBucketResult>`;
  const object = (inside: string) => `<Contents>${inside}</Contents><IsTruncated>false</IsTruncated>`;
  test.each([
    ['without an end', page('')],
    ['that is cut', page('<IsTruncated>false</IsTruncated>').slice(0, -5)],
    ['of another bucket', page('<IsTruncated>false</IsTruncated>').replace('backups', 'others')],
    ['that goes on nowhere', page('<IsTruncated>true</IsTruncated>')],
    ['that counts more than it shows', page('<IsTruncated>false</IsTruncated><KeyCount>3</KeyCount>')],
    ['with an object without a time', page(object('<Key>k</Key><Size>1</Size>'))],
    ['with an object without a size', page(object('<Key>k</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>'))],
    ['with a document type', `<!DOCTYPE x [<!ENTITY a "b">]>${page('<IsTruncated>false</IsTruncated>')}`],
    ['of another kind', '<Other/>'],
  ])('a listing %s is refused, never empty', async (_, text) => {
    server.answer(200, text);
    await expect(listAll(store)).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });

  test('a listing that is one is taken', async () => {
    server.answer(
      200,
      page(
        object('<Key>a%20b%2B+c/%E6%97%A5</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>7</Size>') +
          '<EncodingType>url</EncodingType>',
      ),
    );
    expect(await listAll(store)).toEqual([{ key: 'a b+ c/日', size: 7, createdAt: 1_767_225_600_000 }]);
    expect(server.asked[0]?.url).toContain('max-keys=1000');
  });

  test('an object without a time is none: the time is never made up', async () => {
    server.answer(200, '', { 'content-length': '7', etag: '"E"' });
    await expect(store.stat('k')).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });
});

test('a part that is refused ends a write whose source is still waiting for something, and the upload', async () => {
  server.script = (request, response) => {
    const head = { 'x-oss-request-id': 'R', etag: '"E"' };
    if (request.method === 'POST')
      response.writeHead(200, head).end('<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>');
    else if (request.method === 'DELETE') response.writeHead(204, head).end();
    else response.writeHead(403, head).end('<Error><Code>AccessDenied</Code></Error>');
  };
  const body = hangingBody(patternBytes(6 * 1024 * 1024), () => {});
  await expect(store.put('k', body)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  await store.close();
  expect(server.asked.at(-1)).toMatchObject({ method: 'DELETE', url: '/backups/k?uploadId=U' });
});

describe('a range', () => {
  test('is the same when the server sends everything', async () => {
    const bytes = patternBytes(1000);
    server.script = (_, response) => response.writeHead(200, { 'x-oss-request-id': 'R', 'content-length': 1000, etag: '"E"' }).end(bytes);
    expect(Buffer.compare(await getBytes(store, 'k', { offset: 100, length: 50 }), bytes.subarray(100, 150))).toBe(0);
    expect(Buffer.compare(await getBytes(store, 'k', { offset: 990 }), bytes.subarray(990))).toBe(0);
    expect(server.asked[0]?.headers).toMatchObject({ range: 'bytes=100-149', 'x-oss-range-behavior': 'standard' });
  });

  test('that ends too early is no whole one, however it ends', async () => {
    const head = { 'x-oss-request-id': 'R', etag: '"E"', 'content-range': 'bytes 0-99/1000' };
    server.script = (_, response) => response.writeHead(206, { ...head, 'content-length': 60 }).end(Buffer.alloc(60));
    await expect(getBytes(store, 'k', { length: 100 })).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
    server.script = (_, response) => {
      response.writeHead(206, { ...head, 'content-length': 100 });
      response.write(Buffer.alloc(60));
      setImmediate(() => response.destroy());
    };
    await expect(getBytes(store, 'k', { length: 100 })).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
  });
});

describe('the connection', () => {
  test('that breaks, or cannot be made, is reported with its host', async () => {
    for (const [, operation] of operations)
      await expect(operation(store)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', message: expect.stringContaining('127.0.0.1') });
    const nowhere = server.store({ endpoint: 'http://127.0.0.1:1' });
    await expect(nowhere.stat('k')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { provider: 'ECONNREFUSED' } });
  });

  test('is not made without credentials', async () => {
    for (const credentials of [{}, { accessKeyID: 'only-an-id' }]) {
      const error = await server
        .store({ credentials })
        .stat('k')
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'CREDENTIALS_INVALID', hint: expect.stringContaining('OSS_ACCESS_KEY_ID') });
    }
    expect(server.asked).toEqual([]);
  });

  test('is let go of when the signal fires, whatever is awaited', async () => {
    const reason = new Error('enough');
    server.script = () => {};
    for (const run of [
      (signal: AbortSignal) => store.stat('k', { signal }),
      (signal: AbortSignal) => store.open('k', { signal }),
      (signal: AbortSignal) => collect(store.list('', { signal })),
      (signal: AbortSignal) => store.put('k', chunkedBody(patternBytes(10), 1), { signal }),
      (signal: AbortSignal) => store.delete(['a', 'b'], { signal }),
    ]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 30);
      await expect(run(controller.signal)).rejects.toBe(reason);
    }
  });
});
