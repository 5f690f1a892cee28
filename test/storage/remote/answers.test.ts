/** What stores that are reached over a network share in reading answers. */

import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { deleteFailure } from '../../../src/storage/delete-failure.ts';
import { clockSkewMs, retryAfterMs } from '../../../src/storage/remote/answer-times.ts';
import { cut, parseContentRange } from '../../../src/storage/remote/content-range.ts';
import { inAFewWords } from '../../../src/storage/remote/foreign-answer.ts';
import { bareCause, inOneLine, networkFailure, systemCodeWithin } from '../../../src/storage/remote/network-error.ts';
import { chunkedBody, collect, patternBytes } from '../contract/bodies.ts';

describe('ranges', () => {
  test('are read from answers of every kind', () => {
    expect(parseContentRange('bytes 5-9/20')).toEqual({ start: 5, size: 20 });
    expect(parseContentRange('bytes 5-9/*')).toEqual({ start: 5, size: undefined });
    expect(parseContentRange('bytes */20')).toEqual({ start: 20, size: 20 });
    for (const text of [undefined, null, '', 'bytes', 'bytes */*', 'items 1-2/3', 'bytes 1-2/x'])
      expect(parseContentRange(text)).toBeUndefined();
  });

  test('are cut out of whole bodies, and the source ends with them', async () => {
    const bytes = patternBytes(1000);
    for (const [skip, length] of [
      [0, 1000],
      [0, 0],
      [1, 1],
      [999, 1],
      [1000, 5],
      [333, 334],
      [10, Number.POSITIVE_INFINITY],
    ] as const) {
      const taken = Buffer.concat(await collect(cut(chunkedBody(bytes, 3).open(), skip, length)));
      expect(Buffer.compare(taken, bytes.subarray(skip, skip + Math.min(length, 1000))), `${skip} ${length}`).toBe(0);
    }
    let given = 0;
    async function* counted() {
      for (;;) yield new Uint8Array(10).fill(++given);
    }
    await collect(cut(counted(), 5, 10));
    expect(given).toBe(2);
  });
});

test('answers of others are told by their first words', () => {
  const page =
    '<!DOCTYPE html><html><head><title>x</title></head><body>\n<h1>Please  log in</h1><script>var secret</script><p>to go on</p></body></html>';
  expect(inAFewWords('text/html', page)).toBe('text/html: "Please log in to go on"');
  expect(inAFewWords(undefined, '')).toBe('no content type, an empty body');
  expect(inAFewWords('text/html', '<html></html>')).toBe('text/html');
  expect(inAFewWords('text/plain', 'x'.repeat(1000))).toHaveLength(115);
});

describe('failures', () => {
  test('of connections are told apart from those of trust, and from what is neither', () => {
    for (const code of ['ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EPIPE', 'EMFILE', 'HPE_INVALID_CONSTANT', 'UND_ERR_SOCKET']) {
      expect(networkFailure(code)?.code, code).toBe('STORAGE_UNAVAILABLE');
    }
    for (const code of [
      'CERT_HAS_EXPIRED',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ]) {
      expect(networkFailure(code)?.code, code).toBe('ENDPOINT_UNTRUSTED');
    }
    for (const code of [undefined, 'ERR_INVALID_ARG_TYPE', 'BlobNotFound', 'PARSE_ERROR'])
      expect(networkFailure(code), code).toBeUndefined();
  });

  test('are found below what wraps them', () => {
    const reset = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    expect(systemCodeWithin(new Error('outer', { cause: new Error('middle', { cause: reset }) }))).toBe('ECONNRESET');
    expect(systemCodeWithin(new AggregateError([reset], 'all addresses failed'))).toBe('ECONNRESET');
    expect(systemCodeWithin(new TypeError('a bug'))).toBeUndefined();
    expect(systemCodeWithin('text')).toBeUndefined();
  });

  test('what OpenSSL says is told in one line, without places in its source', () => {
    const said =
      'write EPROTO 40BD4823287F0000:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../deps/openssl/x.c:77:\n';
    expect(inOneLine(said)).toBe('TLS: wrong version number');
    expect(bareCause(new Error(said)).message).toBe('TLS: wrong version number');
    expect(inOneLine('one\n  two\n')).toBe('one two');
  });

  test('the proxy of the environment is named where the way to the host is the trouble', () => {
    const env = { HTTP_PROXY: 'http://user:secret@proxy:3128' };
    expect(networkFailure('ECONNREFUSED', env)?.hint).toMatch(/HTTP_PROXY is set.*NO_PROXY/);
    expect(networkFailure('ECONNREFUSED', env)?.hint).not.toContain('secret');
    for (const [code, set] of [
      ['ECONNREFUSED', {}],
      ['ECONNREFUSED', { HTTP_PROXY: '' }],
      ['ECONNRESET', env],
      ['EPROTO', env],
    ] as const)
      expect(networkFailure(code, set)?.hint, code).not.toContain('PROXY');
  });

  test('of client libraries lose the request they carry', () => {
    const bare = bareCause(Object.assign(new Error('no'), { name: 'RestError', request: { headers: { authorization: 'secret' } } }));
    expect(Object.keys(bare)).toEqual(['name']);
    expect(bare).toMatchObject({ name: 'RestError', message: 'no' });
  });

  test('tell how long to wait and how far clocks are apart', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(retryAfterMs('7', now)).toBe(7000);
    expect(retryAfterMs('0.5', now)).toBe(500);
    expect(retryAfterMs('Thu, 01 Jan 2026 00:01:00 GMT', now)).toBe(60_000);
    expect(retryAfterMs('Thu, 01 Jan 2025 00:01:00 GMT', now)).toBe(0);
    expect(retryAfterMs('9999999', now)).toBe(3_600_000);
    for (const text of [undefined, null, '', 'soon']) expect(retryAfterMs(text, now)).toBeUndefined();
    expect(clockSkewMs('Thu, 01 Jan 2026 00:01:00 GMT', now)).toBe(60_000);
    expect(clockSkewMs('nonsense', now)).toBeUndefined();
  });

  test('to delete name what is left, in the order that was asked for, and can be repeated if any of them can', () => {
    const keys = Array.from({ length: 9 }, (_, i) => `k${i}`);
    const denied = new LitestreamError('ACCESS_DENIED', 'not allowed', { hint: 'ask', details: { provider: 'forbidden', key: 'k7' } });
    const busy = new LitestreamError('STORAGE_THROTTLED', 'too many', { details: { retryAfterMs: 5 } });
    const failures = new Map<string, unknown>([...keys.slice(1).reverse()].map((key) => [key, denied]));
    const refused = deleteFailure(failures, keys, 'gs://box');
    expect(refused).toMatchObject({ code: 'ACCESS_DENIED', hint: 'ask', details: { failed: keys.slice(1), provider: 'forbidden' } });
    expect(refused.details).not.toHaveProperty('key');
    expect(refused.message).toBe(
      'cannot delete 8 of 9 objects in gs://box: k1 (forbidden), k2 (forbidden), k3 (forbidden), k4 (forbidden), k5 (forbidden) and 3 more; not allowed',
    );
    expect(deleteFailure(new Map([...failures, ['k3', busy]]), keys, 'gs://box')).toMatchObject({
      code: 'STORAGE_THROTTLED',
      details: { retryAfterMs: 5 },
    });
    expect(deleteFailure(new Map([['k0', new Error('odd')]]), keys, 'gs://box')).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      details: { failed: ['k0'] },
    });
  });
});
