import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { WebDAVStore } from '../../../src/storage/webdav/webdav.ts';
import type { Asked } from '../../support/scripted-http.ts';
import { listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { MemoryDAV } from './memory-dav.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Slow {
  readonly server: MemoryDAV;
  readonly store: WebDAVStore;
  /** What the removals of the unfinished file were answered. */
  readonly removals: number[];
}

/**
 * A server that cuts the line while a file is put and comes to writing it only after so many removals of it.
 * @param early what it answers to those.
 */
async function slow(late: number, early: number): Promise<Slow> {
  const removals: number[] = [];
  const server: MemoryDAV = await MemoryDAV.start({ override: (asked, response) => answer(asked, response) });
  function answer({ method, url, body }: Asked, response: ServerResponse): boolean {
    const path = decodeURIComponent(url);
    if (method === 'PUT' && removals.length === 0) {
      response.destroy();
      if (late === 0) server.files.set(path, body);
      return true;
    }
    if (method !== 'DELETE') return false;
    const isEarly = removals.length < late;
    removals.push(isEarly ? early : server.files.has(path) ? 204 : 404);
    if (isEarly) response.writeHead(early).end();
    if (removals.length === late) server.files.set(path, Buffer.from('a part'));
    return isEarly;
  }
  ends.push(() => server.http.close());
  const store = new WebDAVStore({ type: 'webdav', endpoint: server.endpoint, path: '/db' });
  ends.push(() => store.close());
  return { server, store, removals };
}

describe('the file of a put that was cut off', () => {
  test.each([
    ['is there at once', 0, 404, [204, 404]],
    ['appears after it was removed in vain', 1, 404, [404, 204, 404]],
    ['appears after it was removed in vain twice', 2, 404, [404, 404, 204, 404]],
    ['appears although the server says that it has removed it', 1, 204, [204, 204, 404]],
    ['appears after the server could not remove it', 1, 503, [503, 204, 404]],
  ])('is removed when it %s', async (_, late, early, expected) => {
    const { server, store, removals } = await slow(late, early);
    await expect(putBytes(store, 'a', patternBytes(10))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    await expect.poll(() => removals).toEqual(expected);
    expect([...server.files.keys()]).toEqual([]);
    await putBytes(store, 'a', patternBytes(10));
    expect(await listKeys(store)).toEqual(['a']);
    expect(removals).toEqual(expected);
  });

  test('keeps a store that is closed waiting for a second at most, and is left alone after that', async () => {
    const { store, removals } = await slow(Number.POSITIVE_INFINITY, 404);
    await expect(putBytes(store, 'a', patternBytes(10))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    await expect.poll(() => removals.length).toBeGreaterThan(2);
    await store.close();
    const { length } = removals;
    await new Promise((resolve) => setTimeout(resolve, 3500));
    // One may have been under way.
    expect(removals.length).toBeLessThanOrEqual(length + 1);
  });
});

test('the file of a put that was refused is removed once', async () => {
  const removals: string[] = [];
  const server = await MemoryDAV.start({
    override: ({ method, url }, response) => {
      if (method === 'DELETE') removals.push(url);
      if (method !== 'PUT') return false;
      response.writeHead(403).end();
      return true;
    },
  });
  ends.push(() => server.http.close());
  const store = new WebDAVStore({ type: 'webdav', endpoint: server.endpoint, path: '/db' });
  await expect(putBytes(store, 'a', patternBytes(10))).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  await store.close();
  expect(removals).toHaveLength(1);
});
