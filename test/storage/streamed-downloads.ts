/** What holds of every store whose opened objects are streams of answers (storage/remote/opened-object.ts), against a scripted service. */

import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { type Script, type ScriptedHTTP, until } from '../support/scripted-http.ts';
import { collect, patternBytes } from './contract/bodies.ts';

const REASON = new Error('the user went home');
const BYTES = patternBytes(300_000);

interface Scripted {
  readonly store: ObjectStore;
  readonly server: ScriptedHTTP;
}

/** @param head begins the answer of a whole object of so many bytes. */
export function streamedDownloads(
  answering: (script: Script) => Promise<Scripted>,
  head: (response: ServerResponse, length: number) => void,
): void {
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
    const { store, server } = await answering((_, response) => {
      head(response, BYTES.length);
      response.write(BYTES.subarray(0, 1000));
      setTimeout(() => response.destroy(), 10);
    });
    const opened = await store.open('k');
    await until(() => server.connections === 0, 'the server has gone');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(collect(opened.body)).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
  });
}

/** Each operation, asked of a service that never answers, ends with the reason of its abort and lets its connection go. */
export async function allEndWithTheirAbort(
  { server }: Scripted,
  operations: readonly ((signal: AbortSignal) => Promise<unknown>)[],
): Promise<void> {
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
