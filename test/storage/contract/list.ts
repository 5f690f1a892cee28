/** Listing: order, prefix, seek. */

import { describe, expect, test } from 'vitest';
import { compareKeys } from '../../../src/storage/key.ts';
import { listAll, listKeys, patternBytes, putBytes } from './bodies.ts';
import type { ContractContext } from './object-store-contract.ts';

const LTX_NAMES = ['04-08', '01-01', '09-09', '02-03'].map((range) => range.replace(/\d\d/g, (n) => n.padStart(16, '0')));

export function listContract({ store, capabilities, oddKeys, rootedKeys }: ContractContext): void {
  describe('list', () => {
    test('of an untouched store is empty', async () => {
      expect(await listKeys(store())).toEqual([]);
      expect(await listKeys(store(), 'ltx/0/')).toEqual([]);
    });

    test('is in key order whatever the order of writing, and levels do not mix', async () => {
      for (const name of LTX_NAMES) await putBytes(store(), `ltx/0/${name}.ltx`, patternBytes(10));
      await putBytes(store(), `ltx/1/${LTX_NAMES[0]}.ltx`, patternBytes(10));
      expect(await listKeys(store(), 'ltx/0/')).toEqual([...LTX_NAMES].sort().map((name) => `ltx/0/${name}.ltx`));
      expect(await listKeys(store(), 'ltx/1/')).toEqual([`ltx/1/${LTX_NAMES[0]}.ltx`]);
    });

    test('orders across directories as the whole keys do', async () => {
      const keys = ['a/b', 'a.txt', 'a-b/c', 'a0', 'a/a/z', 'b', 'a/c.d', 'a/c/d', 'ａ', '😀', 'é'];
      for (const key of keys) await putBytes(store(), key, patternBytes(1));
      expect(await listKeys(store())).toEqual([...keys].sort(compareKeys));
      expect(await listKeys(store(), 'a')).toEqual(['a-b/c', 'a.txt', 'a/a/z', 'a/b', 'a/c.d', 'a/c/d', 'a0']);
    });

    test('takes a prefix that ends within a name', async () => {
      for (const key of ['db/ltx/a1', 'db/ltx/a2', 'db/ltx/b1', 'db/lty', 'dc/ltx/a1']) await putBytes(store(), key, patternBytes(1));
      expect(await listKeys(store(), 'db/lt')).toEqual(['db/ltx/a1', 'db/ltx/a2', 'db/ltx/b1', 'db/lty']);
      expect(await listKeys(store(), 'db/ltx/a')).toEqual(['db/ltx/a1', 'db/ltx/a2']);
      expect(await listKeys(store(), 'db/ltx/c')).toEqual([]);
    });

    test('begins after a key, existing or not, exclusively', async () => {
      const keys = ['x/1', 'x/2', 'x/3/4', 'x/5', 'y'];
      for (const key of keys) await putBytes(store(), key, patternBytes(1));
      for (const after of ['w', 'x/', 'x/1', 'x/2', 'x/25', 'x/3', 'x/3/4', 'x/3/5', 'x/5', 'y', 'z']) {
        expect(await listKeys(store(), '', after), `after ${after}`).toEqual(keys.filter((key) => compareKeys(key, after) > 0));
      }
      expect(await listKeys(store(), 'x/', 'x/2')).toEqual(['x/3/4', 'x/5']);
    });

    test('crosses page boundaries of any service: 1,050 objects', { timeout: 240_000 }, async () => {
      const keys = Array.from({ length: 1050 }, (_, i) => `many/${String(i).padStart(16, '0')}`);
      for (let at = 0; at < keys.length; at += 50) {
        await Promise.all(keys.slice(at, at + 50).map((key) => putBytes(store(), key, patternBytes(3))));
      }
      expect(await listKeys(store(), 'many/')).toEqual(keys);
      expect(await listKeys(store(), 'many/', keys[999])).toEqual(keys.slice(1000));
    });

    test('can be left early', async () => {
      for (const key of ['1', '2', '3']) await putBytes(store(), key, patternBytes(1));
      for await (const { key } of store().list('')) {
        expect(key).toBe('1');
        break;
      }
      expect(await listKeys(store())).toEqual(['1', '2', '3']);
    });

    test('tells sizes', async () => {
      await putBytes(store(), 'size/0', patternBytes(0));
      await putBytes(store(), 'size/70000', patternBytes(70_000));
      expect((await listAll(store(), 'size/')).map(({ size }) => size)).toEqual([0, 70_000]);
    });

    if (capabilities.timestamps === 'listing')
      test('tells the creation times that were put, to the millisecond', async () => {
        const times = [0, 1, 999, 1_000_000_000_001, 1_767_225_600_123, 1_767_225_600_999];
        for (const [i, createdAt] of times.entries()) await putBytes(store(), `time/${i}`, patternBytes(1), createdAt);
        expect((await listAll(store(), 'time/')).map(({ createdAt }) => createdAt)).toEqual(times);
      });

    test('skips nothing that has spaces or non-ASCII letters', async () => {
      const keys = ['with space/ü ñ.ltx', 'quote\'"&?#%41+=,;/日本語', '100%/~tilde'];
      for (const key of keys) await putBytes(store(), key, patternBytes(5));
      expect(await listKeys(store())).toEqual([...keys].sort(compareKeys));
    });

    test('refuses an unsafe prefix', async () => {
      const always = ['../x', 'a/../b', '..', 'nul\0'];
      const clean = ['a//b', '//abs', ...(rootedKeys ? [] : ['/abs'])];
      for (const prefix of oddKeys ? always : [...always, ...clean]) {
        await expect(listKeys(store(), prefix), prefix).rejects.toMatchObject({ code: 'USAGE' });
      }
    });
  });
}
