/** Bodies in both directions under what networks do, against a scripted Azure service. */

import { afterEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import type { PutBody } from '../../../src/storage/object-store.ts';
import { ResumableReadStore } from '../../../src/storage/wrap/resumable-read.ts';
import { type Script, until } from '../../support/scripted-http.ts';
import { chunkedBody, collect, getBytes, hangingBody, listAll, patternBytes } from '../contract/bodies.ts';
import { allEndWithTheirAbort, leavesNoListener, streamedDownloads } from '../streamed-downloads.ts';
import { blobHead, created, fail, type ScriptedAzure, scriptedAzure } from './scripted.ts';

const REASON = new Error('the user went home');
const BLOCK = 4 * 1024 * 1024;
const BYTES = patternBytes(300_000);

let azure: ScriptedAzure | undefined;
afterEach(async () => {
  await azure?.close();
  azure = undefined;
});

async function answering(script: Script): Promise<ScriptedAzure> {
  azure = await scriptedAzure(script);
  return azure;
}

/** First and last byte that are asked for. */
function rangeOf(header: string | string[] | undefined): readonly [number, number] {
  const [, start = '0', end = ''] = /bytes=(\d+)-(\d*)/.exec(String(header ?? '')) ?? [];
  return [Number(start), end === '' ? BYTES.length - 1 : Math.min(BYTES.length - 1, Number(end))];
}

describe('a download', () => {
  streamedDownloads(answering, blobHead);

  test('that is cut is READ_TRUNCATED wherever it is cut, never our own cancellation, and a resumed one is whole', async () => {
    for (const at of [0, 1, 65_536, BYTES.length - 1]) {
      const { store } = await answering(({ headers }, response, nth) => {
        const [start, end] = rangeOf(headers['x-ms-range'] ?? headers.range);
        blobHead(response, end - start + 1, { 'content-range': `bytes ${start}-${end}/${BYTES.length}` }, 206);
        if (nth <= 2) response.write(BYTES.subarray(start, at), () => response.destroy());
        else response.end(BYTES.subarray(start, end + 1));
      });
      const opened = await store.open('k').catch((error: unknown) => error);
      // With nothing behind its head a download may break off while it is opened.
      if (opened instanceof Error) expect(opened, `cut at ${at}`).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      else
        await expect(collect((opened as Awaited<ReturnType<typeof store.open>>).body), `cut at ${at}`).rejects.toMatchObject({
          code: 'READ_TRUNCATED',
        });
      if (at > 0) {
        const resuming = new ResumableReadStore(store, { settings: { attempts: 4, initialMs: 1, capMs: 1, stallMs: 5000 } });
        expect(Buffer.compare(await getBytes(resuming, 'k'), BYTES), `cut at ${at}`).toBe(0);
      }
      await azure?.close();
    }
  });

  test('of another range than was asked for is RESPONSE_INVALID', async () => {
    const { store } = await answering((_, response) => {
      blobHead(response, 100, { 'content-range': `bytes 200-299/${BYTES.length}` }, 206);
      response.end(BYTES.subarray(200, 300));
    });
    await expect(store.open('k', { offset: 100, length: 100 })).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });
});

describe('every operation', () => {
  test('that gets no answer ends with the reason of the abort, and its connection goes', async () => {
    const scripted = await answering(() => {});
    const { store } = scripted;
    await allEndWithTheirAbort(scripted, [
      (signal) => collect(store.list('', { signal })),
      (signal) => store.open('k', { signal }),
      (signal) => store.stat('k', { signal }),
      (signal) => store.put('k', bytesBody(BYTES), { signal }),
      (signal) => store.put('k', bytesBody(Buffer.alloc(3 * BLOCK)), { signal }),
      (signal) => store.delete(['k'], { signal }),
      (signal) =>
        store.delete(
          Array.from({ length: 40 }, (_, i) => `k${i}`),
          { signal },
        ),
    ]);
  });

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
  const sent = (): Buffer => Buffer.concat(azure?.server.asked.filter(({ url }) => isBlock(url)).map(({ body }) => body) ?? []);

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
      await azure?.close();
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

  test('is abandoned with the error of its source', async () => {
    const { store, server } = await answering(taking());
    const error = new LitestreamError('LTX_INVALID', 'the source is broken');
    const body: PutBody = {
      async *open() {
        yield Buffer.alloc(2 * BLOCK + 10);
        throw error;
      },
    };
    await expect(store.put('k', body)).rejects.toBe(error);
    expect(server.asked.filter(({ url }) => isList(url))).toEqual([]);
  });

  test('ends at once when it is aborted while its source hangs', async () => {
    const { store, server } = await answering(taking());
    const abort = new AbortController();
    const put = store.put(
      'k',
      hangingBody(Buffer.alloc(2 * BLOCK + 10), () => abort.abort(REASON)),
      { signal: abort.signal },
    );
    await expect(put).rejects.toBe(REASON);
    expect(server.asked.filter(({ url }) => isList(url))).toEqual([]);
  });
});

test('after close no connection is left', async () => {
  const { store, server } = await answering((_, response) => fail(response, 404, 'ContainerNotFound'));
  await listAll(store).catch(() => {});
  expect(server.connections).toBe(1);
  await store.close();
  await until(() => server.connections === 0, 'the connection is closed');
});
