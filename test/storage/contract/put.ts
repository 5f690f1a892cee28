/** Writing: all or nothing, replacing, creating only, concurrent. */

import { describe, expect, test } from 'vitest';
import type { PutBody } from '../../../src/storage/object-store.ts';
import { chunkedBody, failingBody, getBytes, listKeys, patternBytes, putBytes } from './bodies.ts';
import type { ContractContext } from './object-store-contract.ts';

export function putContract({ store, capabilities }: ContractContext): void {
  describe('put', () => {
    if (!capabilities.needsSize)
      test('takes a body of unknown size', async () => {
        const bytes = patternBytes(200_000);
        const info = await store().put('unknown', chunkedBody(bytes, 7));
        expect(info.size).toBe(200_000);
        expect(Buffer.compare(await getBytes(store(), 'unknown'), bytes)).toBe(0);
      });

    test('replaces an object, shorter or longer', async () => {
      for (const size of [1000, 10, 2000]) {
        const bytes = patternBytes(size, size);
        expect((await putBytes(store(), 'again', bytes)).size).toBe(size);
        expect(Buffer.compare(await getBytes(store(), 'again'), bytes)).toBe(0);
      }
      expect(await listKeys(store())).toEqual(['again']);
    });

    test('leaves nothing when the source fails midway, and reports the error of the source', async () => {
      const error = new Error('disk of the source is gone');
      await expect(store().put('x/never', failingBody(patternBytes(100_000), error))).rejects.toBe(error);
      expect(await listKeys(store())).toEqual([]);
      await expect(store().open('x/never')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    });

    test('leaves the old object when the source of a new one fails', async () => {
      const bytes = patternBytes(500);
      await putBytes(store(), 'keep', bytes);
      await expect(store().put('keep', failingBody(patternBytes(100, 2), new Error('no')))).rejects.toThrow('no');
      expect(Buffer.compare(await getBytes(store(), 'keep'), bytes)).toBe(0);
    });

    test('refuses a source that delivers another size than it announced', async () => {
      for (const size of [99, 101]) {
        const body: PutBody = { ...chunkedBody(patternBytes(100), 4), size };
        await expect(store().put('liar', body)).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
      }
      expect(await listKeys(store())).toEqual([]);
    });

    test('never shows an object that is still being written (row 80)', async () => {
      let release = () => {};
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      const put = store().put('slow', {
        async *open() {
          yield patternBytes(1000);
          await gate;
          yield patternBytes(1000);
        },
      });
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(await listKeys(store())).toEqual([]);
      release();
      expect((await put).size).toBe(2000);
      expect(await listKeys(store())).toEqual(['slow']);
    });

    if (capabilities.conditionalPut)
      test('with ifAbsent creates once and then fails with PRECONDITION_FAILED', async () => {
        const bytes = patternBytes(100, 1);
        await store().put('only/once', chunkedBody(bytes, 2), { ifAbsent: true });
        await expect(store().put('only/once', chunkedBody(patternBytes(100, 2), 2), { ifAbsent: true })).rejects.toMatchObject({
          code: 'PRECONDITION_FAILED',
        });
        expect(Buffer.compare(await getBytes(store(), 'only/once'), bytes)).toBe(0);
        expect(await listKeys(store())).toEqual(['only/once']);
      });

    if (capabilities.conditionalPut)
      test('with ifAbsent has one winner among many at once', async () => {
        const results = await Promise.allSettled(
          Array.from({ length: 10 }, (_, i) => store().put('race/key', chunkedBody(patternBytes(5000, i + 1), 3), { ifAbsent: true })),
        );
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        const winner = results.findIndex(({ status }) => status === 'fulfilled');
        expect(Buffer.compare(await getBytes(store(), 'race/key'), patternBytes(5000, winner + 1))).toBe(0);
        for (const result of results)
          if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'PRECONDITION_FAILED' });
      });

    if (!capabilities.conditionalPut)
      test('with ifAbsent fails with NOT_SUPPORTED and writes nothing', async () => {
        await expect(store().put('k', chunkedBody(patternBytes(1), 1), { ifAbsent: true })).rejects.toMatchObject({
          code: 'NOT_SUPPORTED',
        });
        expect(await listKeys(store())).toEqual([]);
      });

    test('many at once, read back while others are written', async () => {
      const keys = Array.from({ length: 40 }, (_, i) => `par/${i % 4}/${i}`);
      await Promise.all(
        keys.map(async (key, i) => {
          const bytes = patternBytes(10_000 + i, i + 1);
          await putBytes(store(), key, bytes);
          expect(Buffer.compare(await getBytes(store(), key), bytes), key).toBe(0);
        }),
      );
      expect((await listKeys(store(), 'par/')).length).toBe(40);
    });
  });
}
