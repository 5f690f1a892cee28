/** Reading: whole objects, ranges of every shape, missing objects, streams that are left alone. */

import { describe, expect, test } from 'vitest';
import { compareKeys } from '../../../src/storage/key.ts';
import { chunkedBody, collect, getBytes, getTransientBytes, listKeys, patternBytes, putBytes } from './bodies.ts';
import type { ContractContext } from './object-store-contract.ts';

const SIZE = 300_001;

export function openContract({ store, capabilities, oddKeys, rootedKeys }: ContractContext): void {
  describe('open', () => {
    test('gives back what was put', async () => {
      const bytes = patternBytes(SIZE);
      await putBytes(store(), 'a/b.ltx', bytes);
      expect(Buffer.compare(await getBytes(store(), 'a/b.ltx'), bytes)).toBe(0);
    });

    test('gives ranges of every shape, cut at the end of the object (row 78)', async () => {
      const bytes = patternBytes(SIZE);
      await putBytes(store(), 'r', bytes);
      const shapes: readonly (readonly [number, number?])[] = [
        [0, 0],
        [0, 100],
        [1, 1],
        [SIZE - 16],
        [SIZE - 16, 16],
        [SIZE - 16, 17],
        [SIZE - 1, 1000],
        [SIZE],
        [SIZE, 5],
        [SIZE + 10],
        [SIZE + 10, 5],
        [65_535, 65_537],
        [0, SIZE],
        [0, SIZE + 1],
        [100],
      ];
      for (const [offset, length] of shapes) {
        const range = { offset, ...(length === undefined ? {} : { length }) };
        const expected = bytes.subarray(offset, length === undefined ? undefined : offset + length);
        expect(Buffer.compare(await getBytes(store(), 'r', range), expected), JSON.stringify(range)).toBe(0);
      }
    });

    test('gives the same bytes to who has done with a chunk when the next is asked for', async () => {
      const size = 5 * SIZE;
      const bytes = patternBytes(size);
      await putBytes(store(), 'r', bytes);
      const shapes: readonly (readonly [number, number?])[] = [[0], [1, 1], [SIZE - 1, 2 * SIZE], [size - 100], [size - 100, 1000], [size]];
      for (const [offset, length] of shapes) {
        const range = { offset, ...(length === undefined ? {} : { length }) };
        const expected = bytes.subarray(offset, length === undefined ? undefined : offset + length);
        expect(Buffer.compare(await getTransientBytes(store(), 'r', range), expected), JSON.stringify(range)).toBe(0);
      }
    });

    test('refuses a range of negative or fractional numbers', async () => {
      await putBytes(store(), 'r', patternBytes(10));
      for (const range of [{ offset: -1 }, { offset: 0.5 }, { length: -1 }, { length: Number.NaN }]) {
        await expect(getBytes(store(), 'r', range), JSON.stringify(range)).rejects.toMatchObject({ code: 'USAGE' });
      }
    });

    test('of a missing object fails at once with OBJECT_NOT_FOUND, and so does stat', async () => {
      await putBytes(store(), 'dir/there', patternBytes(1));
      for (const key of ['missing', 'dir/missing', 'no/such/dir', 'dir']) {
        await expect(store().open(key), key).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
        await expect(store().stat(key), key).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
      }
    });

    test('reads an empty object', async () => {
      await putBytes(store(), 'empty', patternBytes(0));
      expect((await getBytes(store(), 'empty')).byteLength).toBe(0);
      expect((await store().stat('empty')).size).toBe(0);
    });

    test('tells the size of the whole object also for a range, and a tag that changes with the object', async () => {
      await putBytes(store(), 'tagged', patternBytes(50, 1));
      const first = await store().open('tagged', { offset: 10, length: 5 });
      await first.close();
      if (first.size !== undefined) expect(first.size).toBe(50);
      const same = await store().open('tagged');
      await same.close();
      expect(same.tag).toBe(first.tag);
      await store().delete(['tagged']);
      await putBytes(store(), 'tagged', patternBytes(51, 2));
      const changed = await store().open('tagged');
      await changed.close();
      if (first.tag !== undefined) expect(changed.tag).not.toBe(first.tag);
    });

    test('hands out bytes that a reader may overwrite without harm', async () => {
      const bytes = patternBytes(1000);
      await putBytes(store(), 'mine', bytes);
      const opened = await store().open('mine');
      for await (const chunk of opened.body) chunk.fill(0);
      expect(Buffer.compare(await getBytes(store(), 'mine'), bytes)).toBe(0);
    });

    test('lets go of an unread stream, twice over, and of one that is left half way', async () => {
      await putBytes(store(), 'big', patternBytes(SIZE));
      for (let i = 0; i < 60; i++) {
        const unread = await store().open('big');
        await unread.close();
        await unread.close();
        const half = await store().open('big');
        for await (const chunk of half.body) {
          expect(chunk.byteLength).toBeGreaterThan(0);
          break;
        }
        await half.close();
      }
    });

    test('holds many streams at once', async () => {
      const bytes = patternBytes(SIZE);
      await putBytes(store(), 'big', bytes);
      const opened = await Promise.all(Array.from({ length: 20 }, () => store().open('big')));
      const read = await Promise.all(opened.map(({ body }) => collect(body)));
      for (const chunks of read) expect(Buffer.compare(Buffer.concat(chunks), bytes)).toBe(0);
    });

    test('refuses to deliver a body twice', async () => {
      await putBytes(store(), 'twice', patternBytes(10));
      const opened = await store().open('twice');
      await collect(opened.body);
      await expect(collect(opened.body)).rejects.toMatchObject({ code: 'INTERNAL' });
      await opened.close();
    });

    test('refuses unsafe keys in every operation', async () => {
      const always = ['', '../up', 'a/../../b', 'nul\0'];
      const clean = ['a//b', './a', 'a/.', 'dir/', '//abs', '/', ...(rootedKeys ? [] : ['/abs'])];
      for (const key of oddKeys ? always : [...always, ...clean]) {
        const usage = { code: 'USAGE' };
        await expect(store().open(key), key).rejects.toMatchObject(usage);
        await expect(store().stat(key), key).rejects.toMatchObject(usage);
        await expect(store().delete([key]), key).rejects.toMatchObject(usage);
        await expect(store().put(key, chunkedBody(patternBytes(1), 1)), key).rejects.toMatchObject(usage);
      }
    });

    if (rootedKeys)
      test('takes a key that begins with a slash for another one than that without', async () => {
        for (const [i, key] of ['/a/b', 'a/b', '/c'].entries()) await putBytes(store(), key, patternBytes(50, i + 1));
        for (const [i, key] of ['/a/b', 'a/b', '/c'].entries()) {
          expect(Buffer.compare(await getBytes(store(), key), patternBytes(50, i + 1)), key).toBe(0);
          expect((await store().stat(key)).key).toBe(key);
        }
        expect(await listKeys(store())).toEqual(['/a/b', '/c', 'a/b']);
        expect(await listKeys(store(), '/', '/a/b')).toEqual(['/c']);
        await store().delete(['/a/b', ...Array.from({ length: 20 }, (_, i) => `/never/${i}`), '/c']);
        expect(await listKeys(store())).toEqual(['a/b']);
      });

    if (oddKeys)
      test('takes odd keys as they are, each another object', async () => {
        const keys = ['/0000/x', './0000/x', 'db//0000/x', '0000/x', 'db/0000/x', 'db/./0000/x'];
        for (const [i, key] of keys.entries()) await putBytes(store(), key, patternBytes(50, i + 1));
        for (const [i, key] of keys.entries()) expect(Buffer.compare(await getBytes(store(), key), patternBytes(50, i + 1)), key).toBe(0);
        expect(await listKeys(store())).toEqual([...keys].sort(compareKeys));
        expect(await listKeys(store(), '/0000/')).toEqual(['/0000/x']);
        expect(await listKeys(store(), './0000/', './0000/w')).toEqual(['./0000/x']);
        await store().delete(['/0000/x', 'db//0000/x', './0000/x']);
        expect(await listKeys(store())).toEqual(['0000/x', 'db/./0000/x', 'db/0000/x']);
      });

    if (capabilities.timestamps !== 'none')
      test('stat tells the creation time that was put', async () => {
        const createdAt = 1_767_225_600_123;
        const put = await putBytes(store(), 'timed', patternBytes(9), createdAt);
        expect(put).toMatchObject({ key: 'timed', size: 9, createdAt });
        expect(await store().stat('timed')).toEqual(put);
      });
  });
}
