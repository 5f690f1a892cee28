/** Bodies in both directions under what networks do, against a scripted Azure service. */

import { describe, expect, test } from 'vitest';
import { bytesBody } from '../../../src/storage/body.ts';
import type { PutBody } from '../../../src/storage/object-store.ts';
import type { Script } from '../../support/scripted-http.ts';
import { chunkedBody, collect, patternBytes } from '../contract/bodies.ts';
import { ScriptedService } from '../scripted-service.ts';
import { brokenUploads, closedConnections, leavesNoListener, silentServices, streamedDownloads } from '../scripted-transfers.ts';
import { blobHead, created, fail, scriptedAzure } from './scripted.ts';

const BLOCK = 4 * 1024 * 1024;
const BYTES = patternBytes(300_000);

const service = new ScriptedService(scriptedAzure);
const { answering } = service;

describe('a download', () => streamedDownloads(service, blobHead, 'x-ms-range'));

describe('every operation', () => {
  silentServices(service, 3 * BLOCK);

  test('leaves no listener on a signal that lives long', async () => {
    const { store } = await answering(({ method, url }, response) => {
      if (method === 'GET' && !url.includes('comp=list')) {
        blobHead(response, 3);
        response.end('abc');
      } else if (method === 'PUT') created(response);
      else fail(response, 404, 'BlobNotFound');
    });
    await leavesNoListener(async (signal) => {
      await collect((await store.open('k', { signal })).body);
      await store.put('k', bytesBody(BYTES), { signal });
      await store.put('k', bytesBody(Buffer.alloc(2 * BLOCK)), { signal });
      await store.stat('k', { signal }).catch(() => {});
    });
  });
});

describe('an upload in blocks', () => {
  /** Takes blocks and their list as the service does, unless `refuse` has answered. */
  function taking(refuse: Script = () => {}): Script {
    return (asked, response, nth) => {
      refuse(asked, response, nth);
      if (!response.headersSent) created(response);
    };
  }
  const isBlock = (url: string): boolean => url.includes('comp=block&') || /comp=block$/.test(url);
  const isList = (url: string): boolean => url.includes('comp=blocklist');
  const sent = (): Buffer => Buffer.concat(service.asked.filter(({ url }) => isBlock(url)).map(({ body }) => body));

  test('begins above one block, sends each once, and puts the condition and the time on the list', async () => {
    for (const [size, blocks] of [
      [BLOCK, 0],
      [BLOCK + 1, 2],
      [2 * BLOCK, 2],
      [2 * BLOCK + 5, 3],
    ] as const) {
      const bytes = patternBytes(size);
      const { store, server } = await answering(taking());
      const info = await store.put('k', chunkedBody(bytes, 7), { ifAbsent: true, createdAt: 1000 });
      expect(info.size).toBe(size);
      expect(server.asked.filter(({ url }) => isBlock(url))).toHaveLength(blocks);
      const last = server.asked.at(-1);
      expect(last?.headers['if-none-match']).toBe('*');
      expect(last?.headers['x-ms-meta-litestreamtimestamp']).toBe('1970-01-01T00:00:01Z');
      if (blocks > 0) expect(isList(last?.url ?? '')).toBe(true);
      const conditional = server.asked.filter(({ headers }) => headers['if-none-match'] !== undefined);
      expect(conditional).toHaveLength(1);
    }
  });

  test('names its blocks so that no other upload of the same key can have them', async () => {
    const { store, server } = await answering(taking());
    for (let i = 0; i < 2; i++) await store.put('k', bytesBody(Buffer.alloc(2 * BLOCK)));
    const ids = server.asked.filter(({ url }) => isBlock(url)).map(({ url }) => new URL(url, 'http://x').searchParams.get('blockid') ?? '');
    expect(new Set(ids).size).toBe(4);
    expect(new Set(ids.map((id) => Buffer.from(id, 'base64').length))).toEqual(new Set([64]));
  });

  test('repeats a block that failed, without reading the source again', async () => {
    let failures = 2;
    const { store } = await answering(
      taking(({ url }, response) => {
        if (isBlock(url) && failures-- > 0) fail(response, 500, 'InternalError');
      }),
    );
    let opened = 0;
    const bytes = patternBytes(2 * BLOCK + 100);
    const body: PutBody = {
      open: () => {
        opened += 1;
        return chunkedBody(bytes, 5).open();
      },
    };
    await store.put('k', body);
    expect(opened).toBe(1);
    expect(sent().length).toBeGreaterThan(bytes.length);
  });

  test('gives up on a refusal at once and lists nothing', async () => {
    const { store, server } = await answering(
      taking(({ url }, response) => {
        if (isBlock(url)) fail(response, 403, 'AuthorizationPermissionMismatch');
      }),
    );
    await expect(store.put('k', bytesBody(Buffer.alloc(8 * BLOCK)))).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(server.asked.filter(({ url }) => isList(url))).toEqual([]);
    expect(server.asked.length).toBeLessThanOrEqual(4);
  });

  brokenUploads(service, { part: BLOCK, taking: () => taking(), finishes: ({ url }) => isList(url) });
});

closedConnections(service, (_, response) => fail(response, 404, 'ContainerNotFound'));
