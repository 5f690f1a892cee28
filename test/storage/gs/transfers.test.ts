/** Bodies in both directions under what networks do, against a scripted Cloud Storage service. */

import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import type { PutBody } from '../../../src/storage/object-store.ts';
import { ResumableReadStore } from '../../../src/storage/wrap/resumable-read.ts';
import { type Asked, type Script, until } from '../../support/scripted-http.ts';
import { chunkedBody, collect, getBytes, hangingBody, listAll, patternBytes } from '../contract/bodies.ts';
import { allEndWithTheirAbort, leavesNoListener, streamedDownloads } from '../streamed-downloads.ts';
import { fail, json, listing, MARKS, mediaHead, object, type ScriptedGCS, scriptedGCS } from './scripted.ts';

const REASON = new Error('the user went home');
const CHUNK = 8 * 1024 * 1024;
const BYTES = patternBytes(300_000);

let gcs: ScriptedGCS | undefined;
afterEach(async () => {
  await gcs?.close();
  gcs = undefined;
});

async function answering(script: Script): Promise<ScriptedGCS> {
  gcs = await scriptedGCS(script);
  return gcs;
}

/** First and last byte that are asked for. */
function rangeOf(header: string | undefined): readonly [number, number] {
  const [, start = '0', end = ''] = /bytes=(\d+)-(\d*)/.exec(header ?? '') ?? [];
  return [Number(start), end === '' ? BYTES.length - 1 : Math.min(BYTES.length - 1, Number(end))];
}

describe('a download', () => {
  streamedDownloads(answering, mediaHead);

  test('that is cut is READ_TRUNCATED wherever it is cut, and a resumed one is whole', async () => {
    for (const at of [0, 1, 65_536, BYTES.length - 1]) {
      const { store } = await answering(({ headers }, response, nth) => {
        const [start, end] = rangeOf(headers.range);
        mediaHead(response, end - start + 1, { 'content-range': `bytes ${start}-${end}/${BYTES.length}` }, 206);
        response.flushHeaders();
        if (nth <= 2) setTimeout(() => response.write(BYTES.subarray(start, at), () => response.destroy()), 5);
        else response.end(BYTES.subarray(start, end + 1));
      });
      const opened = await store.open('k');
      await expect(collect(opened.body), `cut at ${at}`).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
      if (at > 0) {
        const resuming = new ResumableReadStore(store, { settings: { attempts: 4, initialMs: 1, capMs: 1, stallMs: 5000 } });
        expect(Buffer.compare(await getBytes(resuming, 'k'), BYTES), `cut at ${at}`).toBe(0);
      }
      await gcs?.close();
    }
  });

  test('of another range than was asked for, or of none, is RESPONSE_INVALID', async () => {
    for (const range of [`bytes 200-299/${BYTES.length}`, 'nonsense']) {
      const { store } = await answering((_, response) => {
        mediaHead(response, 100, { 'content-range': range }, 206);
        response.end(BYTES.subarray(200, 300));
      });
      await expect(store.open('k', { offset: 100, length: 100 })).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
      await gcs?.close();
    }
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
      (signal) => store.put('k', bytesBody(Buffer.alloc(2 * CHUNK)), { signal }),
      (signal) => store.delete(['k'], { signal }),
      (signal) =>
        store.delete(
          Array.from({ length: 40 }, (_, i) => `k${i}`),
          { signal },
        ),
    ]);
  });

  test('that is answered half ends with the reason of the abort, and its connection goes', async () => {
    for (const status of [200, 403]) {
      const { store, server } = await answering((_, response) => {
        response.writeHead(status, { ...MARKS, 'content-type': 'application/json', 'content-length': '1000' }).write('{"kind":');
      });
      for (const run of [
        (signal: AbortSignal) => collect(store.list('', { signal })),
        (signal: AbortSignal) => store.stat('k', { signal }),
      ]) {
        const before = server.asked.length;
        const abort = new AbortController();
        const running = run(abort.signal);
        running.catch(() => {});
        await until(() => server.asked.length > before, 'the server was asked');
        setTimeout(() => abort.abort(REASON), 10);
        await expect(running).rejects.toBe(REASON);
        await until(() => server.connections === 0, 'the connection is closed');
      }
      await gcs?.close();
    }
  });

  test('leaves no listener on a signal that lives long', async () => {
    const { store } = await answering((asked, response) => {
      if (asked.url.includes('alt=media')) {
        mediaHead(response, 3);
        response.end('abc');
      } else if (asked.method === 'POST') json(response, 200, object({ name: 'k', size: BYTES.length }));
      else json(response, 200, listing([]));
    });
    await leavesNoListener(async (signal) => {
      await collect((await store.open('k', { signal })).body);
      await store.put('k', bytesBody(BYTES), { signal });
      await collect(store.list('', { signal }));
    });
  });
});

describe('an upload', () => {
  test('of a small object is one request with its time, its hash and its condition', async () => {
    const { store, server } = await answering((_, response) =>
      json(response, 200, object({ name: 'k', size: BYTES.length, generation: 12 })),
    );
    const info = await store.put('k', bytesBody(BYTES), { createdAt: 1_767_225_600_123, ifMatch: '11' });
    expect(info).toEqual({ key: 'k', size: BYTES.length, createdAt: 1_767_225_600_123, tag: '12' });
    expect(server.asked).toHaveLength(1);
    const [{ url, body }] = server.asked as [Asked];
    expect(new URL(url, 'http://x').searchParams.get('ifGenerationMatch')).toBe('11');
    const head = /\r\n\r\n(\{.*?\})\r\n/.exec(body.toString('latin1'))?.[1] ?? '';
    expect(JSON.parse(head)).toMatchObject({
      name: 'k',
      metadata: { 'litestream-timestamp': '2026-01-01T00:00:00.123Z' },
      md5Hash: createHash('md5').update(BYTES).digest('base64'),
    });
    expect(body.includes(Buffer.from(BYTES))).toBe(true);
  });

  test('under a version that is none of the service is PRECONDITION_FAILED without a request', async () => {
    const { store, server } = await answering((_, response) => fail(response, 500, 'internalError'));
    for (const ifMatch of ['', '0', 'never', '"0x1"', '-1']) {
      await expect(store.put('k', bytesBody(BYTES), { ifMatch }), ifMatch).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    }
    expect(server.asked).toEqual([]);
  });
});

/** Takes chunks as the service does; `disturb` may answer in its stead, or say how many bytes of a chunk are taken. */
class Taking {
  readonly received: Buffer[] = [];
  #size = 0;
  readonly #disturb: (asked: Asked, response: Parameters<Script>[1], nth: number) => number | undefined;

  constructor(disturb: (asked: Asked, response: Parameters<Script>[1], nth: number) => number | undefined = () => undefined) {
    this.#disturb = disturb;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.received);
  }

  readonly script: Script = (asked, response, nth) => {
    const taken = this.#disturb(asked, response, nth) ?? asked.body.length;
    const [, start, total] = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(String(asked.headers['content-range'] ?? '')) ?? [];
    if (asked.method === 'PUT' && start !== undefined) {
      if (Number(start) !== this.#size) throw new Error(`chunk at ${start}, ${this.#size} bytes are there`);
      this.received.push(asked.body.subarray(0, taken));
      this.#size += Math.min(taken, asked.body.length);
    }
    if (response.headersSent || response.destroyed) return;
    if (asked.method === 'POST') {
      response.writeHead(200, { ...MARKS, location: `http://${asked.headers.host}/upload/session-1?upload_id=secret` }).end();
    } else if (asked.method === 'DELETE') response.writeHead(499).end();
    else if (total !== '*' && Number(total) === this.#size) json(response, 200, object({ name: 'k', size: this.#size }));
    else response.writeHead(308, { ...MARKS, ...(this.#size === 0 ? {} : { range: `bytes=0-${this.#size - 1}` }) }).end();
  };
}

describe('an upload in a session', () => {
  const chunks = (): readonly Asked[] => gcs?.server.asked.filter(({ method, body }) => method === 'PUT' && body.length > 0) ?? [];

  test('begins above one chunk, sends each once, and the hash with the last', async () => {
    for (const [size, count] of [
      [CHUNK, 0],
      [CHUNK + 1, 2],
      [2 * CHUNK, 2],
      [2 * CHUNK + 5, 3],
    ] as const) {
      const taking = new Taking();
      const bytes = patternBytes(size);
      const { store, server } = await answering((asked, response, nth) => {
        if (asked.url.includes('uploadType=multipart')) json(response, 200, object({ name: 'k', size }));
        else taking.script(asked, response, nth);
      });
      expect((await store.put('k', chunkedBody(bytes, 7), { ifAbsent: true })).size).toBe(size);
      expect(chunks()).toHaveLength(count);
      expect(server.asked.filter(({ url }) => url.includes('ifGenerationMatch=0'))).toHaveLength(1);
      if (count > 0) {
        expect(Buffer.compare(taking.bytes, bytes)).toBe(0);
        const hashes = chunks().map(({ headers }) => headers['x-goog-hash']);
        expect(hashes).toEqual([...Array<undefined>(count - 1), `md5=${createHash('md5').update(bytes).digest('base64')}`]);
      }
      await gcs?.close();
    }
  });

  test('goes on where a chunk broke off, asks what has arrived, and never reads the source again', async () => {
    const bytes = patternBytes(2 * CHUNK + 100_000);
    const part = 256 * 1024;
    const disturbances: readonly ConstructorParameters<typeof Taking>[0][] = [
      // The service takes a part of a chunk and says so.
      (asked, _, nth) => (asked.method === 'PUT' && nth === 2 ? part : undefined),
      // It takes a part and fails.
      (asked, response, nth) => {
        if (asked.method !== 'PUT' || nth !== 3) return undefined;
        fail(response, 503, 'backendError');
        return part;
      },
      // It takes everything, and the answer is lost.
      (asked, response, nth) => {
        if (asked.method === 'PUT' && nth === 4) response.destroy();
        return undefined;
      },
      // It takes nothing, twice.
      (asked, response, nth) => {
        if (asked.method !== 'PUT' || (nth !== 2 && nth !== 4)) return undefined;
        fail(response, 500, 'internalError');
        return 0;
      },
    ];
    for (const [at, disturb] of disturbances.entries()) {
      const taking = new Taking(disturb);
      const { store, server } = await answering(taking.script);
      let opened = 0;
      const body: PutBody = {
        open: () => {
          opened += 1;
          return chunkedBody(bytes, 5).open();
        },
      };
      expect((await store.put('k', body)).size, `disturbance ${at}`).toBe(bytes.length);
      expect(Buffer.compare(taking.bytes, bytes), `disturbance ${at}`).toBe(0);
      expect(opened).toBe(1);
      expect(server.asked.filter(({ method }) => method === 'POST')).toHaveLength(1);
      await gcs?.close();
    }
  });

  test('that the service has dropped fails so that the whole is tried again', async () => {
    for (const status of [404, 410]) {
      const taking = new Taking((asked, response, nth) => {
        if (asked.method === 'PUT' && nth === 3) fail(response, status, 'gone');
        return undefined;
      });
      const { store, server } = await answering(taking.script);
      await expect(store.put('k', bytesBody(Buffer.alloc(3 * CHUNK)))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      expect(server.asked.filter(({ method }) => method === 'PUT')).toHaveLength(2);
      await gcs?.close();
    }
  });

  test('gives up on a refusal at once, and tells the service to forget what it has', async () => {
    for (const nth of [2, 3]) {
      const taking = new Taking((asked, response, at) => {
        if (asked.method === 'PUT' && at === nth) fail(response, 412, 'conditionNotMet');
        return undefined;
      });
      const { store, server } = await answering(taking.script);
      await expect(store.put('k', bytesBody(Buffer.alloc(3 * CHUNK)), { ifAbsent: true })).rejects.toMatchObject({
        code: 'PRECONDITION_FAILED',
      });
      await until(() => server.asked.at(-1)?.method === 'DELETE', 'the session is cancelled');
      expect(server.asked).toHaveLength(nth + 1);
      await gcs?.close();
    }
  });

  test('is abandoned with the error of its source', async () => {
    const taking = new Taking();
    const { store, server } = await answering(taking.script);
    const error = new LitestreamError('LTX_INVALID', 'the source is broken');
    const body: PutBody = {
      async *open() {
        yield Buffer.alloc(2 * CHUNK + 10);
        throw error;
      },
    };
    await expect(store.put('k', body)).rejects.toBe(error);
    await until(() => server.asked.at(-1)?.method === 'DELETE', 'the session is cancelled');
    expect(server.asked.filter(({ headers }) => /\/\d+$/.test(String(headers['content-range'])))).toEqual([]);
  });

  test('ends at once when it is aborted while its source hangs', async () => {
    const taking = new Taking();
    const { store } = await answering(taking.script);
    const abort = new AbortController();
    const put = store.put(
      'k',
      hangingBody(Buffer.alloc(2 * CHUNK + 10), () => abort.abort(REASON)),
      { signal: abort.signal },
    );
    await expect(put).rejects.toBe(REASON);
  });

  test('that claims bytes nobody sent, or does not get on, is RESPONSE_INVALID', async () => {
    for (const range of ['bytes=0-99999999', undefined]) {
      const { store } = await answering((asked, response) => {
        if (asked.method === 'POST') response.writeHead(200, { location: `http://${asked.headers.host}/upload/session-1` }).end();
        else response.writeHead(308, range === undefined ? {} : { range }).end();
      });
      await expect(store.put('k', bytesBody(Buffer.alloc(2 * CHUNK)))).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
      await gcs?.close();
    }
  });

  test('sends nothing to an address that is not the service', async () => {
    for (const location of ['http://127.0.0.1:1/elsewhere', 'nonsense', '']) {
      const { store, server } = await answering((_, response) => response.writeHead(200, { ...MARKS, location }).end());
      await expect(store.put('k', bytesBody(Buffer.alloc(2 * CHUNK)))).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
      expect(server.asked.filter(({ method }) => method !== 'POST')).toEqual([]);
      await gcs?.close();
    }
  });
});

test('after close no connection is left', async () => {
  const { store, server } = await answering((_, response) => json(response, 200, listing([])));
  await listAll(store);
  expect(server.connections).toBe(1);
  await store.close();
  await until(() => server.connections === 0, 'the connection is closed');
});
