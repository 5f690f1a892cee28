/** Replacing exactly one version: `ifMatch`. */

import { describe, expect, test } from 'vitest';
import { bytesBody } from '../../../src/storage/body.ts';
import { honoursConditions } from '../../../src/storage/check/conditions.ts';
import { chunkedBody, failingBody, getBytes, listKeys, patternBytes } from './bodies.ts';
import type { ContractContext } from './object-store-contract.ts';

export function replaceContract({ store, capabilities }: ContractContext): void {
  const create = async (key: string): Promise<string> => {
    const { tag } = await store().put(key, bytesBody(patternBytes(20)), { ifAbsent: true });
    if (tag === undefined) throw new Error('put told no tag');
    return tag;
  };

  describe('put with ifMatch', () => {
    if (!capabilities.conditionalReplace) {
      test('fails with NOT_SUPPORTED and writes nothing', async () => {
        await expect(store().put('k', bytesBody(patternBytes(1)), { ifMatch: 'x' })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
        expect(await listKeys(store())).toEqual([]);
        expect(await honoursConditions(store(), 'probe')).toBe(false);
      });
      return;
    }

    test('replaces the version with that tag, which put, stat and open tell alike', async () => {
      const tag = await create('dir/it');
      expect((await store().stat('dir/it')).tag).toBe(tag);
      const opened = await store().open('dir/it');
      await opened.close();
      expect(opened.tag).toBe(tag);
      const next = await store().put('dir/it', bytesBody(patternBytes(20, 2)), { ifMatch: tag });
      expect(next.tag).not.toBe(tag);
      expect((await store().stat('dir/it')).tag).toBe(next.tag);
      expect(Buffer.compare(await getBytes(store(), 'dir/it'), patternBytes(20, 2))).toBe(0);
      expect(await listKeys(store())).toEqual(['dir/it']);
    });

    test('fails with PRECONDITION_FAILED for another version and for a missing object', async () => {
      const old = await create('it');
      const { tag: current } = await store().put('it', bytesBody(patternBytes(21, 2)), { ifMatch: old });
      for (const ifMatch of [old, 'never'])
        await expect(store().put('it', bytesBody(patternBytes(22, 3)), { ifMatch })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
      await expect(store().put('missing', bytesBody(patternBytes(1)), { ifMatch: old })).rejects.toMatchObject({
        code: 'PRECONDITION_FAILED',
      });
      expect((await store().stat('it')).tag).toBe(current);
      expect(await listKeys(store())).toEqual(['it']);
    });

    test('gives every version a tag of its own, also when all are of one size and one moment', async () => {
      const tags = new Set([await create('it')]);
      let [last = ''] = tags;
      for (let i = 0; i < 50; i++) {
        last = (await store().put('it', chunkedBody(patternBytes(20, i + 2), 2), { ifMatch: last, createdAt: 1000 })).tag ?? '';
        tags.add(last);
      }
      expect(tags.size).toBe(51);
    });

    test('has one winner among many at once, round after round', async () => {
      // Never the same twice: two versions of the same bytes may be one version.
      const content = (round: number, i: number) => patternBytes(500, round * 8 + i + 2);
      let tag = await create('race');
      for (let round = 0; round < 10; round++) {
        const results = await Promise.allSettled(
          Array.from({ length: 8 }, (_, i) => store().put('race', chunkedBody(content(round, i), 2), { ifMatch: tag })),
        );
        const winners = results.flatMap((result, i) => (result.status === 'fulfilled' ? [{ i, tag: result.value.tag ?? '' }] : []));
        expect(winners).toHaveLength(1);
        for (const result of results)
          if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'PRECONDITION_FAILED' });
        expect(Buffer.compare(await getBytes(store(), 'race'), content(round, winners[0]?.i ?? 0))).toBe(0);
        tag = winners[0]?.tag ?? '';
      }
      expect(await listKeys(store())).toEqual(['race']);
    });

    test('leaves the version when the source fails, which can then be replaced', async () => {
      const tag = await create('it');
      await expect(store().put('it', failingBody(patternBytes(5), new Error('no')), { ifMatch: tag })).rejects.toThrow('no');
      await store().put('it', bytesBody(patternBytes(5)), { ifMatch: tag });
    });

    test('is found to work by the probe, which leaves nothing', async () => {
      expect(await honoursConditions(store(), 'some/probe')).toBe(true);
      expect(await listKeys(store())).toEqual([]);
    });
  });
}
