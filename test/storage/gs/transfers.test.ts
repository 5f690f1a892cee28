/** Bodies in both directions under what networks do, against a scripted Cloud Storage service. */

import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { bytesBody } from '../../../src/storage/body.ts';
import type { PutBody } from '../../../src/storage/object-store.ts';
import { type Asked, type Script, until } from '../../support/scripted-http.ts';
import { chunkedBody, collect, failingBody, patternBytes } from '../contract/bodies.ts';
import { ScriptedService } from '../scripted-service.ts';
import { brokenUploads, closedConnections, leavesNoListener, silentServices, streamedDownloads } from '../scripted-transfers.ts';
import { fail, json, listing, MARKS, mediaHead, object, scriptedGCS } from './scripted.ts';

const REASON = new Error('the user went home');
const CHUNK = 8 * 1024 * 1024;
const BYTES = patternBytes(300_000);

const service = new ScriptedService(scriptedGCS);
const { answering } = service;

describe('a download', () => {
  streamedDownloads(service, mediaHead);

  test('of a range that is none is RESPONSE_INVALID', async () => {
    const { store } = await answering((_, response) => {
      mediaHead(response, 100, { 'content-range': 'nonsense' }, 206);
      response.end(BYTES.subarray(200, 300));
    });
    await expect(store.open('k', { offset: 100, length: 100 })).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });
});

describe('every operation', () => {
  silentServices(service, 2 * CHUNK);

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
  const chunks = (): readonly Asked[] => service.asked.filter(({ method, body }) => method === 'PUT' && body.length > 0);

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
    }
  });

  brokenUploads(service, {
    part: CHUNK,
    taking: () => new Taking().script,
    finishes: ({ headers }) => /\/\d+$/.test(String(headers['content-range'])),
  });

  test('of a broken source is cancelled at the service', async () => {
    const { store, server } = await answering(new Taking().script);
    const error = new Error('the source is broken');
    await expect(store.put('k', failingBody(Buffer.alloc(2 * CHUNK + 10), error))).rejects.toBe(error);
    await until(() => server.asked.at(-1)?.method === 'DELETE', 'the session is cancelled');
  });

  test('that claims bytes nobody sent, or does not get on, is RESPONSE_INVALID', async () => {
    for (const range of ['bytes=0-99999999', undefined]) {
      const { store } = await answering((asked, response) => {
        if (asked.method === 'POST') response.writeHead(200, { location: `http://${asked.headers.host}/upload/session-1` }).end();
        else response.writeHead(308, range === undefined ? {} : { range }).end();
      });
      await expect(store.put('k', bytesBody(Buffer.alloc(2 * CHUNK)))).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    }
  });

  test('sends nothing to an address that is not the service', async () => {
    for (const location of ['http://127.0.0.1:1/elsewhere', 'nonsense', '']) {
      const { store, server } = await answering((_, response) => response.writeHead(200, { ...MARKS, location }).end());
      await expect(store.put('k', bytesBody(Buffer.alloc(2 * CHUNK)))).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
      expect(server.asked.filter(({ method }) => method !== 'POST')).toEqual([]);
    }
  });
});

closedConnections(service, (_, response) => json(response, 200, listing([])));
