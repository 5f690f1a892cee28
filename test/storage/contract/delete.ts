/** Deleting: none, some, many, missing ones. */

import { describe, expect, test } from 'vitest';
import { listKeys, patternBytes, putBytes } from './bodies.ts';
import type { ContractContext } from './object-store-contract.ts';

export function deleteContract({ store }: ContractContext): void {
  describe('delete', () => {
    test('of nothing does nothing', async () => {
      await putBytes(store(), 'stay', patternBytes(1));
      await store().delete([]);
      expect(await listKeys(store())).toEqual(['stay']);
    });

    test('of a missing object succeeds, before and after anything was written', async () => {
      await store().delete(['never/was']);
      await putBytes(store(), 'a', patternBytes(1));
      await store().delete(['b', 'a', 'c/d']);
      await store().delete(['a']);
      expect(await listKeys(store())).toEqual([]);
    });

    test('makes objects not found', async () => {
      await putBytes(store(), 'd/1', patternBytes(1));
      await putBytes(store(), 'd/2', patternBytes(1));
      await store().delete(['d/1']);
      await expect(store().open('d/1')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
      expect(await listKeys(store(), 'd/')).toEqual(['d/2']);
    });

    test('takes 1,001 keys with some missing', { timeout: 240_000 }, async () => {
      const keys = Array.from({ length: 1001 }, (_, i) => `bulk/${String(i).padStart(4, '0')}`);
      const written = keys.filter((_, i) => i % 7 !== 0);
      for (let at = 0; at < written.length; at += 50) {
        await Promise.all(written.slice(at, at + 50).map((key) => putBytes(store(), key, patternBytes(1))));
      }
      await putBytes(store(), 'bulk/stays', patternBytes(1));
      await store().delete(keys);
      expect(await listKeys(store(), 'bulk/')).toEqual(['bulk/stays']);
    });
  });
}
