import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NATSStore } from '../../../src/storage/nats/nats.ts';
import type { NATSStoreSpec } from '../../../src/storage/spec.ts';
import { ResumableReadStore } from '../../../src/storage/wrap/resumable-read.ts';
import { RetryStore } from '../../../src/storage/wrap/retry.ts';
import { describeWith } from '../../support/services.ts';
import { TCPFaultProxy } from '../../support/tcp-fault-proxy.ts';
import { chunkedBody, getBytes, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { type TestBucket, testBucket } from './buckets.ts';
import { TestServer } from './server.ts';

const CHUNK = 128 * 1024;

const storeAt = (url: string, bucket: string, spec: Partial<NATSStoreSpec> = {}): NATSStore =>
  new NATSStore({ type: 'nats', servers: [url], bucket, path: '', timeoutMs: 10_000, reconnectWaitMs: 50, ...spec });

describe('a NATS server that cannot be reached', () => {
  test('is reported, with its address', async () => {
    const store = storeAt('nats://127.0.0.1:1', 'b');
    await expect(store.stat('k')).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringContaining('nats://127.0.0.1:1'),
    });
    await store.close();
  });

  test('and stays silent is given up after the time-out, with no connection left', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const store = storeAt(`nats://127.0.0.1:${(silent.address() as AddressInfo).port}`, 'b', { timeoutMs: 1_000 });
    const start = performance.now();
    await expect(store.stat('k')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(performance.now() - start).toBeLessThan(30_000);
    await expect.poll(() => sockets).toHaveLength(1);
    await expect.poll(() => sockets[0]?.readableEnded === true || sockets[0]?.destroyed === true).toBe(true);
    await store.close();
    silent.close();
  });

  test('or is none is refused at once', async () => {
    const web = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1');
    await once(web, 'listening');
    const store = storeAt(`nats://127.0.0.1:${(web.address() as AddressInfo).port}`, 'b');
    await expect(listKeys(store)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    await store.close();
    web.close();
  });

  test('lets go of a call whose signal fires meanwhile', async () => {
    const silent = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const store = storeAt(`nats://127.0.0.1:${(silent.address() as AddressInfo).port}`, 'b');
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    const start = performance.now();
    await expect(store.stat('k', { signal: controller.signal })).rejects.toBe(reason);
    expect(performance.now() - start).toBeLessThan(9_000);
    await store.close();
    silent.close();
  });
});

describeWith('nats', 'a NATS server that comes and goes', () => {
  let server: TestServer;
  let bucket: TestBucket;
  let proxy: TCPFaultProxy;
  let store: NATSStore;
  beforeEach(async () => {
    server = await TestServer.create();
    await server.start();
    bucket = await testBucket({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    proxy = await TCPFaultProxy.start({ host: '127.0.0.1', port: server.port });
    store = storeAt(`nats://127.0.0.1:${proxy.port}`, bucket.name);
  });
  afterEach(async () => {
    await store.close();
    await proxy.stop();
    await bucket.connection.close();
    await server.remove();
  });

  const wrapped = () => new ResumableReadStore(new RetryStore(store));

  test('is restarted in the middle of an upload and of a download: both go on by themselves', { timeout: 240_000 }, async () => {
    const bytes = patternBytes(30 * CHUNK + 5);
    let restarted = 0;
    const body = {
      async *open() {
        for (let at = 0; at < bytes.byteLength; at += CHUNK) {
          yield bytes.subarray(at, at + CHUNK);
          if (at !== 15 * CHUNK || restarted++ > 0) continue;
          await server.stop('SIGKILL');
          await server.start();
        }
      },
    };
    await wrapped().put('up', body, { ifAbsent: true });
    expect(restarted).toBeGreaterThan(0);
    expect(Buffer.compare((await bucket.objects.getBlob('up')) ?? Buffer.alloc(0), bytes)).toBe(0);

    const opened = await wrapped().open('up');
    const read: Uint8Array[] = [];
    for await (const chunk of opened.body) {
      read.push(chunk);
      if (read.length !== 10) continue;
      await server.stop('SIGKILL');
      await server.start();
    }
    expect(Buffer.compare(Buffer.concat(read), bytes)).toBe(0);
    await store.close();
    // The chunks of the upload that broke off went with the retry.
    expect(Object.values(await bucket.subjects()).sort((a, b) => a - b)).toEqual([1, 31]);
  });

  test('is away while nothing is asked: the next call after its return succeeds', async () => {
    await putBytes(store, 'k', patternBytes(10));
    await server.stop('SIGKILL');
    await server.start();
    expect(await listKeys(wrapped())).toEqual(['k']);
  });

  test('is away for long: calls fail within their limit, and succeed when it is back', { timeout: 240_000 }, async () => {
    await putBytes(store, 'k', patternBytes(10));
    await server.stop('SIGKILL');
    const quick = storeAt(`nats://127.0.0.1:${proxy.port}`, bucket.name, { timeoutMs: 2_000 });
    for (let i = 0; i < 2; i++) {
      const start = performance.now();
      await expect(quick.stat('k')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      expect(performance.now() - start).toBeLessThan(30_000);
    }
    await quick.close();
    await server.start();
    expect((await wrapped().stat('k')).size).toBe(10);
  });

  test('loses the connection while calls wait for answers: they fail at once', async () => {
    await putBytes(store, 'k', patternBytes(40 * CHUNK));
    proxy.script({ type: 'silence', direction: 'to client', after: 0 });
    const stat = store.stat('k');
    stat.catch(() => {});
    await expect.poll(() => proxy.isSilent).toBe(true);
    const start = performance.now();
    proxy.heal();
    await expect(stat).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(performance.now() - start).toBeLessThan(8_000);
  });

  test('loses one answer or another during a write: the write succeeds, and counts once', { timeout: 240_000 }, async () => {
    await putBytes(store, 'warm', patternBytes(10));
    const cuts = [0, 40, 80, 120, 160, 200, 240, 280, 320, 360, 400, 500, 600];
    for (const [i, after] of cuts.entries()) {
      const bytes = patternBytes(300_000, i + 1);
      proxy.script({ type: 'cut', direction: 'to client', after, how: 'reset' });
      const info = await wrapped().put(`k${i}`, chunkedBody(bytes, 1, true), { ifAbsent: true, createdAt: 5 });
      proxy.heal();
      expect(await wrapped().stat(`k${i}`), `cut after ${after}`).toEqual(info);
      expect(Buffer.compare(await getBytes(wrapped(), `k${i}`), bytes)).toBe(0);
    }
    await store.close();
    const left = Object.entries(await bucket.subjects());
    expect(left.filter(([subject]) => subject.includes('.M.'))).toHaveLength(cuts.length + 1);
    expect(left.filter(([subject]) => subject.includes('.C.')).reduce((sum, [, count]) => sum + count, 0)).toBe(3 * cuts.length + 1);
  });

  test('closes while a download stands open: nothing is thrown where nobody listens', async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    process.on('uncaughtException', note);
    await putBytes(store, 'k', patternBytes(40 * CHUNK));
    const opened = await store.open('k');
    const iterator = opened.body[Symbol.asyncIterator]();
    await iterator.next();
    await server.stop('SIGKILL');
    await expect(store.stat('k')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    await store.close();
    await expect(store.stat('k')).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    process.off('unhandledRejection', note);
    process.off('uncaughtException', note);
    expect(unhandled).toEqual([]);
  });
});
