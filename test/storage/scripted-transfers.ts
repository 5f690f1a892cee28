/** What holds of every store that moves bodies over HTTP, in both directions, against a scripted service. */

import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { bytesBody } from '../../src/storage/body.ts';
import { ResumableReadStore } from '../../src/storage/wrap/resumable-read.ts';
import { type Asked, type Script, until } from '../support/scripted-http.ts';
import { chunkedBody, collect, failingBody, getBytes, hangingBody, listAll, patternBytes } from './contract/bodies.ts';
import type { Scripted, ScriptedService } from './scripted-service.ts';

const REASON = new Error('the user went home');
const BYTES = patternBytes(300_000);

/** Begins the answer with so many bytes of an object. */
export type Head = (response: ServerResponse, length: number, headers?: Record<string, string>, status?: number) => void;

/** @param rangeHeader where the store asks for its range. */
export function streamedDownloads({ answering }: ScriptedService, head: Head, rangeHeader = 'range'): void {
  test('that is cut is READ_TRUNCATED wherever it is cut, never our own cancellation, and a resumed one is whole', async () => {
    for (const at of [0, 1, 65_536, BYTES.length - 1]) {
      const { store } = await answering(({ headers }, response, nth) => {
        const [start, end] = rangeOf(String(headers[rangeHeader] ?? headers.range ?? ''));
        head(response, end - start + 1, { 'content-range': `bytes ${start}-${end}/${BYTES.length}` }, 206);
        response.flushHeaders();
        if (nth <= 2) setTimeout(() => response.write(BYTES.subarray(start, at), () => response.destroy()), 5);
        else response.end(BYTES.subarray(start, end + 1));
      });
      const opened = await store.open('k').catch((error: unknown) => error);
      // The line may break before the head of the answer has been looked at.
      if (opened instanceof Error) expect(opened, `cut at ${at}`).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      else
        await expect(collect((opened as Awaited<ReturnType<typeof store.open>>).body), `cut at ${at}`).rejects.toMatchObject({
          code: 'READ_TRUNCATED',
        });
      if (at === 0) continue;
      const resuming = new ResumableReadStore(store, { settings: { attempts: 4, initialMs: 1, capMs: 1, stallMs: 60_000 } });
      expect(Buffer.compare(await getBytes(resuming, 'k'), BYTES), `cut at ${at}`).toBe(0);
    }
  });

  test('of another range than was asked for is RESPONSE_INVALID', async () => {
    const { store } = await answering((_, response) => {
      head(response, 100, { 'content-range': `bytes 200-299/${BYTES.length}` }, 206);
      response.end(BYTES.subarray(200, 300));
    });
    await expect(store.open('k', { offset: 100, length: 100 })).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });

  test('of which the server ignores the range is cut to it', async () => {
    const { store } = await answering((_, response) => {
      head(response, BYTES.length);
      response.end(BYTES);
    });
    for (const { offset, length } of [
      { offset: 100, length: 50 },
      { offset: 299_999 },
      { offset: 0, length: 100_000 },
      { offset: 70_000, length: 131_072 },
    ]) {
      const opened = await store.open('k', { offset, ...(length === undefined ? {} : { length }) });
      expect(opened.size).toBe(BYTES.length);
      const expected = BYTES.subarray(offset, length === undefined ? undefined : offset + length);
      expect(Buffer.compare(Buffer.concat(await collect(opened.body)), expected), `${offset} ${length}`).toBe(0);
    }
  });

  test('that goes silent ends with the reason of the abort, and its connection goes', async () => {
    const { store, server } = await answering((_, response) => {
      head(response, BYTES.length);
      response.write(BYTES.subarray(0, 1000));
    });
    const abort = new AbortController();
    const opened = await store.open('k', { signal: abort.signal });
    const read = collect(opened.body);
    setTimeout(() => abort.abort(REASON), 20);
    await expect(read).rejects.toBe(REASON);
    await until(() => server.connections === 0, 'the connection is closed');
  });

  test('that is closed unread, or left, or aborted before anybody reads, lets its connection go', async () => {
    const { store, server } = await answering((_, response) => {
      head(response, 50_000_000);
      response.write(BYTES);
    });
    await (await store.open('k')).close();
    for await (const _ of (await store.open('k')).body) break;
    const abort = new AbortController();
    await store.open('k', { signal: abort.signal });
    abort.abort(REASON);
    await until(() => server.connections === 0, 'all connections are closed');
  });

  test('whose server dies before anybody reads fails when it is read, and nothing before', async () => {
    let die = () => {};
    const { store, server } = await answering((_, response) => {
      head(response, BYTES.length);
      response.write(BYTES.subarray(0, 1000));
      die = () => response.destroy();
    });
    const opened = await store.open('k');
    die();
    await until(() => server.connections === 0, 'the server has gone');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(collect(opened.body)).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
  });
}

/** First and last byte that are asked for. */
function rangeOf(header: string): readonly [number, number] {
  const [, start = '0', end = ''] = /bytes=(\d+)-(\d*)/.exec(header) ?? [];
  return [Number(start), end === '' ? BYTES.length - 1 : Math.min(BYTES.length - 1, Number(end))];
}

/** @param large bytes that are sent in parts. */
export function silentServices({ answering }: ScriptedService, large: number): void {
  test('that gets no answer ends with the reason of the abort, and its connection goes', async () => {
    const scripted = await answering(() => {});
    const { store } = scripted;
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
    await allEndWithTheirAbort(scripted, [
      (signal) => collect(store.list('', { signal })),
      (signal) => store.open('k', { signal }),
      (signal) => store.stat('k', { signal }),
      (signal) => store.put('k', bytesBody(BYTES), { signal }),
      (signal) => store.put('k', bytesBody(Buffer.alloc(large)), { signal }),
      (signal) => store.delete(['k'], { signal }),
      (signal) => store.delete(keys, { signal }),
    ]);
  });
}

async function allEndWithTheirAbort({ server }: Scripted, operations: readonly ((signal: AbortSignal) => Promise<unknown>)[]) {
  for (const [at, run] of operations.entries()) {
    const before = server.asked.length;
    const abort = new AbortController();
    const running = run(abort.signal);
    running.catch(() => {});
    await until(() => server.asked.length > before, 'the server was asked');
    abort.abort(REASON);
    await expect(running).rejects.toBe(REASON);
    await until(() => server.connections === 0, `the connection of operation ${at} is closed`);
  }
}

export interface PartUploads {
  /** Most bytes of a part. */
  readonly part: number;
  /** A new service that takes parts. */
  readonly taking: () => Script;
  /** True of the request that makes the parts an object. */
  readonly finishes: (asked: Asked) => boolean;
}

export function brokenUploads(service: ScriptedService, { part, taking, finishes }: PartUploads): void {
  test('is whole, and then an object, when nothing breaks', async () => {
    const { store } = await service.answering(taking());
    await store.put('k', chunkedBody(patternBytes(2 * part + 10), 5));
    expect(service.asked.filter(finishes)).toHaveLength(1);
  });

  test('is abandoned with the error of its source', async () => {
    const { store } = await service.answering(taking());
    const error = new LitestreamError('LTX_INVALID', 'the source is broken');
    await expect(store.put('k', failingBody(Buffer.alloc(2 * part + 10), error))).rejects.toBe(error);
    expect(service.asked.filter(finishes)).toEqual([]);
  });

  test('ends at once when it is aborted while its source hangs', async () => {
    const { store } = await service.answering(taking());
    const abort = new AbortController();
    const body = hangingBody(Buffer.alloc(2 * part + 10), () => abort.abort(REASON));
    await expect(store.put('k', body, { signal: abort.signal })).rejects.toBe(REASON);
    expect(service.asked.filter(finishes)).toEqual([]);
  });
}

/** @param script answers a listing, in whatever way. */
export function closedConnections({ answering }: ScriptedService, script: Script): void {
  test('after close no connection is left', async () => {
    const { store, server } = await answering(script);
    await listAll(store).catch(() => {});
    expect(server.connections).toBe(1);
    await store.close();
    await until(() => server.connections === 0, 'the connection is closed');
  });
}

/** Runs `work` five times with one signal that lives on, and expects that no listener stays on it. */
export async function leavesNoListener(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const { signal } = new AbortController();
  let listeners = 0;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1;
    remove(...args);
  };
  for (let i = 0; i < 5; i++) await work(signal);
  await until(() => listeners <= 0, `no listener is left, but ${listeners} are`);
}
