/** What uploads look like on the wire: in one request or in parts, signed, with everything that belongs to the object. */

import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bytesBody } from '../../../src/storage/body.ts';
import { RetryStore } from '../../../src/storage/wrap/retry.ts';
import { chunkedBody, failingBody, patternBytes } from '../contract/bodies.ts';
import { errorAnswer, ScriptedS3, type Verb } from './scripted-s3.ts';

const MIB = 1024 * 1024;
const KEY = Buffer.alloc(32, 7).toString('base64');
const FAST = { attempts: 10, initialMs: 1, capMs: 1 };

let server: ScriptedS3;
beforeEach(async () => {
  server = await ScriptedS3.start();
});
afterEach(() => server.stop());

const verbs = (): Verb[] => server.seen.map(({ verb }) => verb);
const parts = (): Buffer[] =>
  server
    .of('part')
    .sort((a, b) => Number(a.query.get('partNumber')) - Number(b.query.get('partNumber')))
    .map(({ body }) => body);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('the path of an upload', () => {
  test.each([true, false])('below the part size is one PUT with its length (size announced: %s)', async (announce) => {
    for (const size of [0, 1, 70_000, 3 * MIB]) {
      const bytes = patternBytes(size);
      await server.store({ endpoint: server.endpoint }).put(`k${size}`, chunkedBody(bytes, 5, announce));
      const [put] = server.of('put').slice(-1);
      expect(put?.headers['content-length']).toBe(String(size));
      expect(Buffer.compare(put?.body ?? Buffer.alloc(1), bytes)).toBe(0);
      expect(put?.headers['x-amz-content-sha256']).toBe(sha256(bytes));
    }
    expect(new Set(verbs())).toEqual(new Set(['put']));
  });

  test.each([true, false])('of exactly the part size is one PUT (size announced: %s)', async (announce) => {
    await server.store({ endpoint: server.endpoint }).put('k', chunkedBody(patternBytes(5 * MIB), 9, announce));
    expect(verbs()).toEqual(['put']);
  });

  test('above it goes in equal parts that make up the bytes, each with its hash', async () => {
    const bytes = patternBytes(12 * MIB + 3);
    const info = await server.store({ endpoint: server.endpoint }).put('k', chunkedBody(bytes, 7, true));
    expect(info.size).toBe(bytes.byteLength);
    expect(parts().map(({ byteLength }) => byteLength)).toEqual([5 * MIB, 5 * MIB, 2 * MIB + 3]);
    expect(Buffer.compare(Buffer.concat(parts()), bytes)).toBe(0);
    for (const { headers, body } of server.of('part')) expect(headers['x-amz-content-sha256']).toBe(sha256(body));
  });

  test('of unknown size has large parts once it is above', async () => {
    const bytes = patternBytes(20 * MIB);
    await server.store({ endpoint: server.endpoint }).put('k', chunkedBody(bytes, 11));
    expect(parts().map(({ byteLength }) => byteLength / MIB)).toEqual([16, 4]);
    expect(Buffer.compare(Buffer.concat(parts()), bytes)).toBe(0);
  });

  test('keeps to a larger part size of the configuration', async () => {
    await server.store({ endpoint: server.endpoint, partSize: 8 * MIB }).put('k', chunkedBody(patternBytes(9 * MIB), 3, true));
    expect(parts().map(({ byteLength }) => byteLength / MIB)).toEqual([8, 1]);
  });

  test('a part size under 5 MiB is refused before any request', () => {
    expect(() => server.store({ partSize: 5_000_000 })).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(server.seen).toEqual([]);
  });

  test('a source that reuses its buffer does no harm', async () => {
    const shared = Buffer.alloc(MIB);
    const body = {
      async *open() {
        for (let i = 0; i < 12; i++) yield shared.fill(i);
      },
    };
    await server.store({ endpoint: server.endpoint }).put('k', body);
    expect(Buffer.concat(parts()).filter((_, at) => at % MIB === 0)).toEqual(Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]));
  });
});

describe('what goes with an object', () => {
  const spec = { storageClass: 'STANDARD_IA', credentials: { accessKeyID: 'AKID', secretAccessKey: 'SECRET', sseCustomerKey: KEY } };

  test('time, class and customer key stand at the start of an upload in parts as on a PUT', async () => {
    const store = server.store({ ...spec, endpoint: server.endpoint });
    await store.put('small', bytesBody(patternBytes(10)), { createdAt: 1_767_225_600_120 });
    await store.put('large', chunkedBody(patternBytes(6 * MIB), 6, true), { createdAt: 1_767_225_600_120 });
    const expected = {
      'x-amz-meta-litestream-timestamp': '2026-01-01T00:00:00.12Z',
      'x-amz-storage-class': 'STANDARD_IA',
      'x-amz-server-side-encryption-customer-algorithm': 'AES256',
      'x-amz-server-side-encryption-customer-key': KEY,
      'x-amz-server-side-encryption-customer-key-md5': createHash('md5').update(Buffer.alloc(32, 7)).digest('base64'),
    };
    expect(server.of('put')[0]?.headers).toMatchObject(expected);
    expect(server.of('create')[0]?.headers).toMatchObject(expected);
  });

  test('the customer key goes with parts, reads and heads as well', async () => {
    const store = server.store({ ...spec, endpoint: server.endpoint });
    await store.put('large', chunkedBody(patternBytes(6 * MIB), 6, true));
    await store.stat('k');
    await (await store.open('k')).close();
    for (const verb of ['part', 'complete', 'head', 'get'] as const) {
      expect(server.of(verb)[0]?.headers['x-amz-server-side-encryption-customer-key'], verb).toBe(KEY);
      expect(server.of(verb)[0]?.headers['x-amz-storage-class'], verb).toBeUndefined();
    }
  });

  test('a KMS key stands on writes only', async () => {
    const store = server.store({ endpoint: server.endpoint, sseKmsKeyID: 'alias/backup' });
    await store.put('small', bytesBody(patternBytes(10)));
    await store.stat('small');
    expect(server.of('put')[0]?.headers).toMatchObject({
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'alias/backup',
    });
    expect(server.of('head')[0]?.headers['x-amz-server-side-encryption']).toBeUndefined();
  });

  test('nothing of it is there when nothing is set', async () => {
    await server.store({ endpoint: server.endpoint }).put('k', bytesBody(patternBytes(1)));
    const names = Object.keys(server.of('put')[0]?.headers ?? {});
    expect(names.filter((name) => /encryption|storage-class|x-amz-meta/.test(name))).toEqual([]);
  });

  test('SSE-S3 can be switched off for AWS', async () => {
    await server.store({ region: 'us-east-1', serverSideEncryption: 'none' }).put('k', bytesBody(patternBytes(1)));
    expect(server.of('put')[0]?.headers['x-amz-server-side-encryption']).toBeUndefined();
  });
});

describe('signing', () => {
  test('is of the payload; unsigned only when asked for, and never in chunks', async () => {
    for (const size of [10, 6 * MIB]) {
      await server.store({ region: 'us-east-1', signPayload: false }).put('k', chunkedBody(patternBytes(size), 4, true));
    }
    const sent = [...server.of('put'), ...server.of('part')];
    expect(sent.length).toBe(3);
    for (const { headers } of sent) {
      expect(headers['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD');
      expect(headers['content-encoding']).toBeUndefined();
    }
  });

  test('the user agent names litestream', async () => {
    await server.store({ region: 'us-east-1' }).put('k', bytesBody(patternBytes(1)));
    expect(server.seen[0]?.headers['user-agent']).toMatch(/litestream/);
  });
});

describe('failures of a PUT', () => {
  test('are not repeated by the SDK; a repetition sends the whole body again', async () => {
    const bytes = patternBytes(100_000);
    const bare = server.store({ endpoint: server.endpoint });
    server.script = ({ verb }) => (verb === 'put' && server.of('put').length % 2 === 1 ? errorAnswer(500, 'InternalError') : undefined);
    await expect(bare.put('k', bytesBody(bytes))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(server.of('put').length).toBe(1);
    server.seen.length = 0;
    await new RetryStore(bare, { settings: FAST }).put('k', bytesBody(bytes));
    expect(server.of('put').map(({ body }) => Buffer.compare(body, bytes))).toEqual([0, 0]);
  });

  test('leave no quota behind: two hundred in a row do not keep the next call from being made', async () => {
    const store = new RetryStore(server.store({ endpoint: server.endpoint }), { settings: FAST });
    server.script = () => errorAnswer(503, 'SlowDown');
    for (let i = 0; i < 20; i++) await expect(store.stat('k')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(server.seen.length).toBe(200);
    server.script = () => undefined;
    await store.stat('k');
  });

  test.each([
    [errorAnswer(408, 'RequestTimeout')],
    [{ status: 408 }],
    [errorAnswer(400, 'RequestCanceled')],
    [errorAnswer(400, 'RequestTimeout')],
    [errorAnswer(409, 'OperationAborted')],
    [{ status: 429 }],
    [{ status: 502, body: '<html><body>bad gateway</body></html>' }],
  ])('%j is worth another try', async (answer) => {
    server.script = ({ verb }) => (verb === 'put' && server.of('put').length === 1 ? answer : undefined);
    await new RetryStore(server.store({ endpoint: server.endpoint }), { settings: FAST }).put('k', bytesBody(patternBytes(10)));
    expect(server.of('put').length).toBe(2);
  });

  test('a cancellation by the caller is not', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    server.script = () => () => controller.abort(reason);
    const store = new RetryStore(server.store({ endpoint: server.endpoint }), { settings: FAST });
    await expect(store.put('k', bytesBody(patternBytes(10)), { signal: controller.signal })).rejects.toBe(reason);
    expect(server.seen.length).toBe(1);
  });

  test('an answer without ETag is not one of S3', async () => {
    server.script = () => ({ headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' });
    await expect(server.store({ endpoint: server.endpoint }).put('k', bytesBody(patternBytes(10)))).rejects.toMatchObject({
      code: 'RESPONSE_INVALID',
    });
  });

  test('a source that fails before anything is sent costs no request', async () => {
    const error = new Error('source');
    await expect(server.store({ endpoint: server.endpoint }).put('k', failingBody(patternBytes(10), error))).rejects.toBe(error);
    expect(server.seen).toEqual([]);
  });
});

describe('a clock that is wrong', () => {
  const signedAt = () => server.of('put').map(({ headers }) => String(headers['x-amz-date']));
  const ahead = () => new Date(Date.now() + 3_600_000);

  test('is corrected once by the date of the service', async () => {
    server.script = () =>
      server.seen.length === 1 ? errorAnswer(403, 'RequestTimeTooSkewed', '', { date: ahead().toUTCString() }) : undefined;
    await server.store({ endpoint: server.endpoint }).put('k', bytesBody(patternBytes(10)));
    const msAhead = signedAt().map((stamp) => Date.parse(stamp.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5')) - Date.now());
    expect(msAhead).toHaveLength(2);
    expect(Math.abs(msAhead[0] ?? Number.NaN)).toBeLessThan(600_000);
    expect(Math.abs((msAhead[1] ?? Number.NaN) - 3_600_000)).toBeLessThan(600_000);
  });

  test('that cannot be corrected is told, with how far it is off', async () => {
    server.script = () => errorAnswer(403, 'RequestTimeTooSkewed', '', { date: ahead().toUTCString() });
    const put = server.store({ endpoint: server.endpoint }).put('k', bytesBody(patternBytes(10)));
    await expect(put).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID', hint: expect.stringMatching(/clock/) });
    await put.catch(({ details }) => {
      expect(details.skewMs).toBeGreaterThan(3_500_000);
      expect(details.skewMs).toBeLessThan(3_700_000);
    });
    expect(server.seen.length).toBe(2);
  });
});
