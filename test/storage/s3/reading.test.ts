/** Reading on the wire: ranges, cut bodies, missing things, connections that are held and let go. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collect, getBytes, patternBytes } from '../contract/bodies.ts';
import { errorAnswer, ScriptedS3 } from './scripted-s3.ts';

const DATES = { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT', etag: '"e"' };
const BYTES = Buffer.from(patternBytes(200_000));

let server: ScriptedS3;
beforeEach(async () => {
  server = await ScriptedS3.start();
});
afterEach(() => server.stop());

const store = () => server.store({ endpoint: server.endpoint });

/** Answers ranges as S3 does. */
function serveRanges(): void {
  server.script = ({ verb, headers }) => {
    const match = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
    if (verb !== 'get' || match === null) return verb === 'get' ? { headers: DATES, body: BYTES } : undefined;
    const start = Number(match[1]);
    const body = BYTES.subarray(start, match[2] === '' ? undefined : Number(match[2]) + 1);
    const range = `bytes ${start}-${start + body.byteLength - 1}/${BYTES.byteLength}`;
    return { status: 206, headers: { ...DATES, 'content-range': range }, body };
  };
}

describe('ranges', () => {
  test('a whole object is asked for without a range, a part with one', async () => {
    serveRanges();
    expect(Buffer.compare(await getBytes(store(), 'k'), BYTES)).toBe(0);
    await getBytes(store(), 'k', { offset: 10 });
    await getBytes(store(), 'k', { offset: 10, length: 5 });
    await getBytes(store(), 'k', { length: 100 });
    expect(server.of('get').map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=10-', 'bytes=10-14', 'bytes=0-99']);
  });

  test('a server that ignores them is cut down to what was asked for', async () => {
    server.script = ({ verb }) => (verb === 'get' ? { headers: DATES, body: BYTES } : undefined);
    for (const range of [
      { offset: 10 },
      { offset: 70_000, length: 5 },
      { length: 100 },
      { offset: 199_999, length: 50 },
      { offset: 200_001 },
    ]) {
      const expected = BYTES.subarray(range.offset ?? 0, range.length === undefined ? undefined : (range.offset ?? 0) + range.length);
      expect(Buffer.compare(await getBytes(store(), 'k', range), expected), JSON.stringify(range)).toBe(0);
    }
    const opened = await store().open('k', { offset: 10, length: 5 });
    expect(opened.size).toBe(200_000);
    await opened.close();
  });

  test('another range than the one asked for is no answer', async () => {
    server.script = () => ({ status: 206, headers: { ...DATES, 'content-range': 'bytes 0-9/100' }, body: BYTES.subarray(0, 10) });
    await expect(store().open('k', { offset: 20, length: 10 })).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });

  test('more bytes than asked for are dropped', async () => {
    server.script = () => ({ status: 206, headers: { ...DATES, 'content-range': 'bytes 20-39/100' }, body: BYTES.subarray(20, 40) });
    expect(Buffer.compare(await getBytes(store(), 'k', { offset: 20, length: 10 }), BYTES.subarray(20, 30))).toBe(0);
  });

  test('one that cannot be satisfied is an empty one of an object that is there', async () => {
    server.script = ({ verb }) => (verb === 'get' ? errorAnswer(416, 'InvalidRange') : { headers: { ...DATES, 'content-length': '7' } });
    const opened = await store().open('k', { offset: 7, length: 100 });
    expect([opened.size, opened.tag, await collect(opened.body)]).toEqual([7, 'e', []]);
  });
});

describe('bodies that break', () => {
  test.each([0, 1, 65_536, 199_999])('after %d bytes are worth another try', async (bytes) => {
    server.script = () => (response) => {
      response.writeHead(200, { ...DATES, 'content-length': String(BYTES.byteLength) });
      response.write(BYTES.subarray(0, bytes), () => setTimeout(() => response.destroy(), 20));
      response.flushHeaders();
    };
    await expect(getBytes(store(), 'k')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', disposition: 'retry' });
  });

  test('or end too early without saying so are told as such', async () => {
    server.script = () => (response) => {
      response
        .writeHead(206, { ...DATES, 'content-range': 'bytes 0-99/200000', 'transfer-encoding': 'chunked' })
        .end(BYTES.subarray(0, 60));
    };
    await expect(getBytes(store(), 'k', { length: 100 })).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
  });

  test('a consumer may pause for longer than the limit of silence', async () => {
    serveRanges();
    const paused = server.store({ endpoint: server.endpoint }, { handler: server.handler({ idleMs: 1500 }) });
    const opened = await paused.open('k');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(Buffer.concat(await collect(opened.body)).byteLength).toBe(BYTES.byteLength);
  });
});

describe('what is missing', () => {
  test.each([
    ['a word', errorAnswer(404, 'NoSuchKey')],
    ['nothing', { status: 404 }],
    ['a page', { status: 404, body: '<html><body>not here</body></html>' }],
  ])('an object, told with %s', async (_, answer) => {
    server.script = ({ verb }) => (verb === 'get' || verb === 'head' ? answer : undefined);
    await expect(store().open('k')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    await expect(store().stat('k')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });

  test('a bucket is never taken for a missing object, and is named with its place', async () => {
    for (const answer of [errorAnswer(404, 'NoSuchBucket'), { status: 404 }]) {
      server.script = () => answer;
      for (const call of [() => store().open('k'), () => store().stat('k'), () => collect(store().list(''))]) {
        await expect(call()).rejects.toMatchObject({
          code: 'CONTAINER_NOT_FOUND',
          hint: `The bucket bucket does not exist at 127.0.0.1:${server.port} (region us-east-1): create it, or correct the name.`,
        });
      }
    }
  });

  test('the right to look at the bucket does not make a missing object another error', async () => {
    server.script = ({ verb }) => ({ status: verb === 'head-bucket' ? 403 : 404 });
    await expect(store().stat('k')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });

  test('permission is no absence, and neither are archived objects', async () => {
    server.script = () => ({ status: 403 });
    await expect(store().stat('k')).rejects.toMatchObject({ code: 'ACCESS_DENIED', hint: expect.stringMatching(/s3:ListBucket/) });
    server.script = () => errorAnswer(403, 'InvalidObjectState');
    await expect(store().open('k')).rejects.toMatchObject({ code: 'OBJECT_ARCHIVED' });
  });
});

describe('answers that are not of S3', () => {
  test('are refused, with 200 as well', async () => {
    server.script = () => ({ headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' });
    await expect(store().open('k')).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    await expect(store().stat('k')).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });
});

describe('times', () => {
  test.each([
    ['2026-01-01T00:00:00Z', 0],
    ['2026-01-01T00:00:00.5Z', 500],
    ['2026-01-01T00:00:00.123456789Z', 123],
    ['2026-01-01T02:00:00.250000+02:00', 250],
    ['2025-12-31T19:00:00-05:00', 0],
  ])('%s is read as it is', async (text, ms) => {
    server.script = () => ({ headers: { ...DATES, 'content-length': '1', 'x-amz-meta-litestream-timestamp': text } });
    const info = await store().stat('k');
    expect(info.createdAt - Date.UTC(2026, 0, 1)).toBe(ms);
    expect(info.exactTime).toBeUndefined();
  });

  test.each([undefined, 'yesterday', '2026-01-01', ''])('%s is no time: the modification time is told for what it is', async (text) => {
    server.script = () => ({
      headers: { ...DATES, 'content-length': '1', ...(text === undefined ? {} : { 'x-amz-meta-litestream-timestamp': text }) },
    });
    expect(await store().stat('k')).toMatchObject({ createdAt: Date.UTC(2026, 0, 1), exactTime: false });
  });
});

describe('connections', () => {
  test('sixty open streams at once do not wait for one another', async () => {
    serveRanges();
    const one = store();
    const opened = await Promise.all(Array.from({ length: 60 }, (_, i) => one.open('k', { offset: i })));
    for (const [i, { body }] of opened.entries()) expect(Buffer.concat(await collect(body)).byteLength).toBe(BYTES.byteLength - i);
  });

  test('one is enough for calls one after the other, ranged reads included', async () => {
    serveRanges();
    const one = store();
    for (let i = 0; i < 10; i++) {
      await getBytes(one, 'k', { offset: i * 1000, length: 1000 });
      await getBytes(one, 'k', { offset: i * 1000 });
      await one.stat('k');
      await collect(one.list('db/'));
      await one.delete(['k']);
    }
    expect(server.connectionsEver).toBe(1);
  });

  test('those of streams that are closed unread, or left half way, are closed', async () => {
    serveRanges();
    const one = store();
    for (let i = 0; i < 20; i++) {
      await (await one.open('k')).close();
      const half = await one.open('k');
      for await (const chunk of half.body) if (chunk.byteLength > 0) break;
    }
    await expect.poll(() => server.connections).toBeLessThanOrEqual(1);
  });

  test('closing the store closes them', async () => {
    const one = store();
    await one.stat('k');
    await one.close();
    await expect.poll(() => server.connections).toBe(0);
  });
});
