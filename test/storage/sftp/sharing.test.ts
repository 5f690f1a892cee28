import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { SFTPStore, type SFTPStoreOptions } from '../../../src/storage/sftp/sftp.ts';
import { until } from '../../support/fake-clock.ts';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';
import { TCPFaultProxy } from '../../support/tcp-fault-proxy.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';
import { chunkedBody, collect, getBytes, hangingBody, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { PlainServer } from './plain-server.ts';

const BYTES = patternBytes(3_000_000);
const same = (a: Uint8Array): boolean => Buffer.compare(a, BYTES) === 0;
const lost = { code: 'STORAGE_UNAVAILABLE' };

describeWith('sftp', 'one connection for all calls of an SFTP store', () => {
  let server: ServiceAddresses['sftp'];
  let proxy: TCPFaultProxy;
  let store: SFTPStore;
  beforeAll(async () => {
    server = await service('sftp');
  }, SERVICE_START_MS);
  beforeEach(async () => {
    proxy = await TCPFaultProxy.start(server);
    store = open();
    await putBytes(store, 'big', BYTES);
  });
  afterEach(async () => {
    await store.close();
    await proxy.stop();
  });

  function open(options: SFTPStoreOptions = {}): SFTPStore {
    const { host, user, keyPath, hostKey, root } = server;
    return new SFTPStore(
      { type: 'sftp', host, port: proxy.port, user, keyPath, hostKeys: [hostKey], path: `${root}/${randomUUID()}` },
      options,
    );
  }

  test('holds 60 streams at once, read side by side', async () => {
    const opened = await Promise.all(Array.from({ length: 60 }, () => store.open('big')));
    const read = await Promise.all(opened.map(({ body }) => collect(body)));
    expect(read.every((chunks) => same(Buffer.concat(chunks)))).toBe(true);
    expect(proxy.accepted).toBe(1);
  });

  test('is not lost when one call is given up', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const given = store.put(
      'hung',
      hangingBody(patternBytes(500_000), () => stop.abort(reason)),
      { signal: stop.signal },
    );
    const others = Array.from({ length: 5 }, (_, i) => putBytes(store, `other/${i}`, BYTES));
    await expect(given).rejects.toBe(reason);
    await Promise.all(others);
    const reading = await store.open('big', { signal: stop.signal.aborted ? undefined : stop.signal });
    expect(same(Buffer.concat(await collect(reading.body)))).toBe(true);
    expect(await listKeys(store, 'other/')).toHaveLength(5);
    expect(proxy.accepted).toBe(1);
  });

  test('that broke is made again once for all who ask together', async () => {
    proxy.reset();
    await until(() => proxy.connections === 0, 'the connection is gone');
    const read = await Promise.all(Array.from({ length: 20 }, () => getBytes(store, 'big').catch((error: unknown) => error)));
    // Those that were sent before the end was heard of fail; none hangs.
    for (const result of read) if (!(result instanceof Uint8Array)) expect(result).toMatchObject(lost);
    const again = await Promise.all(Array.from({ length: 20 }, () => getBytes(store, 'big')));
    expect(again.every(same)).toBe(true);
    expect(proxy.accepted).toBe(2);
  });

  test('that breaks ends everything that is under way, at once, and the next call works', async () => {
    const body = { ...chunkedBody(BYTES, 50), size: BYTES.byteLength };
    const opened = await store.open('big');
    const calls = [
      ...Array.from({ length: 5 }, (_, i) => store.put(`cut/${i}`, body)),
      ...Array.from({ length: 5 }, () => getBytes(store, 'big')),
      listKeys(store),
      store.stat('big'),
    ];
    proxy.script({ type: 'cut', direction: 'to server', after: 400_000 });
    const results = await Promise.allSettled(calls);
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject(lost);
    expect(results.some(({ status }) => status === 'rejected')).toBe(true);
    await expect(collect(opened.body)).rejects.toMatchObject(lost);
    await opened.close();
    expect(await getBytes(store, 'big')).toHaveLength(BYTES.byteLength);
    // Names never show a part, and what was left is taken away with the new connection.
    for (const key of await listKeys(store, 'cut/')) expect(same(await getBytes(store, key))).toBe(true);
  });

  test('that went silent is noticed, and made again', async () => {
    const quick = open({ limits: { keepaliveMs: 1000 } });
    try {
      await putBytes(quick, 'k', BYTES);
      proxy.script({ type: 'silence', direction: 'to client', after: 1000 });
      await expect(getBytes(quick, 'k')).rejects.toMatchObject({ ...lost, message: expect.stringContaining('nothing was heard') });
      expect(same(await getBytes(quick, 'k'))).toBe(true);
    } finally {
      await quick.close();
    }
  });

  test('that is slow is not taken for a silent one, though questions wait behind the data', { timeout: 240_000 }, async () => {
    const quick = open({ limits: { keepaliveMs: 1000 } });
    try {
      await putBytes(quick, 'before', patternBytes(10));
      // At this speed it takes far longer than three questions.
      proxy.script({ type: 'slow', direction: 'to server', bytesPerSecond: 250_000 });
      const accepted = proxy.accepted;
      await putBytes(quick, 'k', BYTES.subarray(0, 1_500_000));
      expect(proxy.accepted).toBe(accepted);
    } finally {
      await quick.close();
    }
  });

  test('is left to the others when a call was given up because nothing moved', async () => {
    const reading = await store.open('big');
    const iterator = reading.body[Symbol.asyncIterator]();
    await iterator.next();
    const stop = new AbortController();
    const stalled = new LitestreamError('STORAGE_UNAVAILABLE', 'nothing moved', { details: { stalledMs: 1 } });
    const hung = store.put(
      'hung',
      hangingBody(patternBytes(10), () => stop.abort(stalled)),
      { signal: stop.signal },
    );
    await expect(hung).rejects.toBe(stalled);
    expect(same(await getBytes(store, 'big'))).toBe(true);
    expect(proxy.accepted).toBe(2);
    expect(proxy.connections).toBe(2);
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next());
    await until(() => proxy.connections === 1, 'the first connection has ended');
  });

  test('ends with the store, and with it all that waits', async () => {
    proxy.script({ type: 'silence', direction: 'to client', after: 1 });
    const waiting = store.stat('big');
    const seen = expect(waiting).rejects.toMatchObject(lost);
    await store.close();
    await seen;
    await expect(store.stat('big')).rejects.toMatchObject(lost);
    await until(() => proxy.connections === 0, 'nothing is left open');
  });

  test('being made is given up by one without harm to the others, and ended with the store', async () => {
    const fresh = open();
    const stop = new AbortController();
    const reason = new Error('enough');
    const given = expect(listKeys(fresh).then(() => fresh.stat('x', { signal: stop.signal }))).rejects.toBeDefined();
    const first = fresh.stat('y', { signal: stop.signal });
    const others = listKeys(fresh);
    stop.abort(reason);
    await expect(first).rejects.toBe(reason);
    expect(await others).toEqual([]);
    await given;
    await fresh.close();

    const ended = open();
    const waiting = expect(listKeys(ended)).rejects.toMatchObject(lost);
    await ended.close();
    await waiting;
    await until(() => proxy.connections === 1, 'only the connection of the test is left');
  });
});

describe('an SFTP server that answers the connection but not the requests', () => {
  let directory: TempDirectory;
  let server: PlainServer;
  let silent: string | undefined;
  beforeEach(async () => {
    silent = undefined;
    directory = await tempDirectory();
    server = await PlainServer.start({ root: directory.path, onRequest: (name) => (name === silent ? 'silent' : undefined) });
  });
  afterEach(async () => {
    await server.stop();
    await directory.remove();
  });

  test.each(['OPEN', 'WRITE', 'CLOSE', 'RENAME'])('is given up after the time for an answer: %s', async (name) => {
    const store = new SFTPStore(
      {
        type: 'sftp',
        host: '127.0.0.1',
        port: server.port,
        user: 'u',
        path: 'r',
        hostKeys: [server.hostKey],
        credentials: { password: 'p' },
      },
      { limits: { answerMs: 2000 } },
    );
    try {
      await putBytes(store, 'before', patternBytes(10));
      silent = name;
      await expect(putBytes(store, 'k', patternBytes(10))).rejects.toMatchObject({
        ...lost,
        message: expect.stringContaining('not answered for 2 s'),
      });
      silent = undefined;
      await putBytes(store, 'k', patternBytes(10));
      expect(await listKeys(store)).toEqual(['before', 'k']);
    } finally {
      await store.close();
    }
  });
});
