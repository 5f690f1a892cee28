import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { type Part, partsOf, sendPart } from '../../../src/storage/remote/parts.ts';
import { chunkedBody, collect, patternBytes } from '../contract/bodies.ts';

describe('a body in parts', () => {
  test('has parts of the sizes that are asked for, the last one shorter, and all of its bytes in order', async () => {
    for (const size of [0, 1, 9, 10, 11, 20, 25, 30, 31, 1000]) {
      for (const chunks of [1, 3, 7, 1000]) {
        const bytes = patternBytes(size);
        const parts = await collect(partsOf(chunkedBody(bytes, chunks).open(), (index) => 10 * (index + 1)));
        expect(Buffer.compare(Buffer.concat(parts.map((part) => part.bytes)), bytes), `${size} in ${chunks}`).toBe(0);
        expect(parts.map(({ index }) => index)).toEqual(parts.map((_, at) => at));
        expect(parts.map(({ last }) => last)).toEqual(parts.map((_, at) => at === parts.length - 1));
        for (const [at, part] of parts.slice(0, -1).entries()) expect(part.bytes.length).toBe(10 * (at + 1));
        expect(parts.at(-1)?.bytes.length).toBeLessThanOrEqual(10 * parts.length);
        if (size > 0) expect(parts.at(-1)?.bytes.length).toBeGreaterThan(0);
      }
    }
  });

  test('keeps its bytes when the source uses its chunk again', async () => {
    async function* reusing() {
      const chunk = new Uint8Array(4);
      for (let i = 1; i <= 5; i++) yield chunk.fill(i);
    }
    const parts: Part[] = await collect(partsOf(reusing(), () => 8));
    expect(parts.map(({ bytes }) => [...bytes])).toEqual([
      [1, 1, 1, 1, 2, 2, 2, 2],
      [3, 3, 3, 3, 4, 4, 4, 4],
      [5, 5, 5, 5],
    ]);
  });

  test('of a few bytes takes no large buffer', async () => {
    const [part] = await collect(partsOf(chunkedBody(patternBytes(100), 3).open(), () => 64 * 1024 * 1024));
    expect(part?.bytes.buffer.byteLength).toBeLessThanOrEqual(16 * 1024);
  });
});

describe('sending a part', () => {
  const retry = { attempts: 3, initialMs: 1, capMs: 2 };
  const failing = (code: 'STORAGE_UNAVAILABLE' | 'ACCESS_DENIED', times: number, details = {}) => {
    let left = times;
    return async () => {
      if (left-- > 0) throw new LitestreamError(code, 'no', { details });
      return 'sent';
    };
  };

  test('is repeated while that may help, so many times', async () => {
    expect(await sendPart(failing('STORAGE_UNAVAILABLE', 2), undefined, { retry })).toBe('sent');
    await expect(sendPart(failing('STORAGE_UNAVAILABLE', 3), undefined, { retry })).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    await expect(sendPart(failing('ACCESS_DENIED', 1), undefined, { retry })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  test('waits as long as the service asks', async () => {
    const started = performance.now();
    await sendPart(failing('STORAGE_UNAVAILABLE', 1, { retryAfterMs: 60 }), undefined, { retry });
    expect(performance.now() - started).toBeGreaterThan(50);
  });

  test('ends with the reason of an abort, also while it waits', async () => {
    const abort = new AbortController();
    const sending = sendPart(failing('STORAGE_UNAVAILABLE', 9, { retryAfterMs: 60_000 }), abort.signal, { retry });
    setTimeout(() => abort.abort(new Error('enough')), 5);
    await expect(sending).rejects.toThrow('enough');
  });
});
