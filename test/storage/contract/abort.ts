/** Cancellation at each stage: prompt, with the signal's reason, and without traces. */

import { describe, expect, test } from 'vitest';
import { chunkedBody, collect, getBytes, hangingBody, listAll, listKeys, patternBytes, putBytes } from './bodies.ts';
import type { ContractContext } from './object-store-contract.ts';

const REASON = new Error('the user went home');

export function abortContract({ store }: ContractContext): void {
  describe('abort', () => {
    test('before the call refuses every operation with the reason', async () => {
      const signal = AbortSignal.abort(REASON);
      await putBytes(store(), 'there', patternBytes(10));
      await expect(collect(store().list('', { signal }))).rejects.toBe(REASON);
      await expect(store().open('there', { signal })).rejects.toBe(REASON);
      await expect(store().stat('there', { signal })).rejects.toBe(REASON);
      await expect(store().delete(['there'], { signal })).rejects.toBe(REASON);
      await expect(store().put('new', chunkedBody(patternBytes(1), 1), { signal })).rejects.toBe(REASON);
      expect(await listKeys(store())).toEqual(['there']);
    });

    test('while the source of a put hangs ends promptly and leaves nothing', async () => {
      const controller = new AbortController();
      const put = store().put(
        'hung',
        hangingBody(patternBytes(50_000), () => controller.abort(REASON)),
        { signal: controller.signal },
      );
      await expect(put).rejects.toBe(REASON);
      expect(await listKeys(store())).toEqual([]);
    });

    test('between chunks of a put leaves the old object', async () => {
      const bytes = patternBytes(100);
      await putBytes(store(), 'old', bytes);
      const controller = new AbortController();
      const body = {
        async *open() {
          yield patternBytes(10, 2);
          controller.abort(REASON);
          yield patternBytes(10, 3);
        },
      };
      await expect(store().put('old', body, { signal: controller.signal })).rejects.toBe(REASON);
      expect(Buffer.compare(await getBytes(store(), 'old'), bytes)).toBe(0);
    });

    test('while reading ends the body with the reason', async () => {
      await putBytes(store(), 'long', patternBytes(2_000_000));
      const controller = new AbortController();
      const opened = await store().open('long', { signal: controller.signal });
      const read = async () => {
        for await (const chunk of opened.body) if (chunk.byteLength > 0) controller.abort(REASON);
      };
      await expect(read()).rejects.toBe(REASON);
      await opened.close();
    });

    test('while listing ends the listing with the reason', async () => {
      for (const key of ['1', '2', '3']) await putBytes(store(), key, patternBytes(1));
      const controller = new AbortController();
      const list = async () => {
        for await (const { key } of store().list('', { signal: controller.signal })) if (key === '1') controller.abort(REASON);
      };
      await expect(list()).rejects.toBe(REASON);
      expect(await listAll(store())).toHaveLength(3);
    });
  });
}
