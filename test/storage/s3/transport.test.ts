/** Connections: limits on waiting, cancellation, proxies, certificates. */

import { createServer as createHTTP } from 'node:http';
import { createServer as createHTTPS } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bytesBody } from '../../../src/storage/body.ts';
import { HTTPHandler } from '../../../src/storage/s3/http-handler.ts';
import { S3Store } from '../../../src/storage/s3/store.ts';
import { findProgram } from '../../../tools/services/programs.ts';
import { makeCertificate } from '../../support/certificate.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { chunkedBody, collect, patternBytes } from '../contract/bodies.ts';
import { ScriptedS3 } from './scripted-s3.ts';

const MIB = 1024 * 1024;
const CREDENTIALS = { accessKeyID: 'AKID', secretAccessKey: 'SECRET' };

let server: ScriptedS3;
const closers: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  server = await ScriptedS3.start();
});
afterEach(async () => {
  await server.stop();
  for (const close of closers.splice(0)) await close();
});

async function listening(listener: Server): Promise<number> {
  const sockets = new Set<Socket>();
  listener.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => listener.close(resolve));
  });
  return (listener.address() as AddressInfo).port;
}

function storeAt(endpoint: string, handler: HTTPHandler = new HTTPHandler({ env: {} }), more = {}): S3Store {
  const store = new S3Store({ type: 's3', bucket: 'bucket', path: '', endpoint, credentials: CREDENTIALS, ...more }, { env: {}, handler });
  closers.unshift(() => store.close());
  return store;
}

describe('waiting is bounded', () => {
  test('for an answer, whatever is asked', async () => {
    server.script = () => () => {};
    const store = server.store({ endpoint: server.endpoint }, { handler: server.handler({ idleMs: 100 }) });
    const calls = [
      () => collect(store.list('')),
      () => store.open('k'),
      () => store.stat('k'),
      () => store.put('k', bytesBody(patternBytes(10))),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', message: expect.stringMatching(/silent for 0.1 s/) });
    }
  });

  test('for the rest of an answer that is read by nobody but us', async () => {
    server.script = () => (response) => {
      response.writeHead(200, { 'content-type': 'application/xml' });
      response.write('<?xml version="1.0"?><ListBucketResult>');
    };
    const store = server.store({ endpoint: server.endpoint }, { handler: server.handler({ idleMs: 100 }) });
    await expect(collect(store.list(''))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  test('for the server to take the bytes of an upload, but not while it takes some', async () => {
    const reader = createServer((socket) => {
      socket.on('error', () => {});
      socket.pause();
      const timer = setInterval(() => {
        if (socket.read(256 * 1024) === null) socket.read();
      }, 20);
      socket.on('close', () => clearInterval(timer));
    });
    const port = await listening(reader);
    const store = storeAt(`http://127.0.0.1:${port}`, new HTTPHandler({ env: {}, idleMs: 400 }));
    const began = performance.now();
    await expect(store.put('k', bytesBody(patternBytes(5 * MIB)))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(performance.now() - began).toBeGreaterThan(400);
  });

  test('for a connection', async () => {
    // As seen from here, a proxy that never makes its tunnel is a connection that never comes about.
    let open = 0;
    const silent = createServer((socket) => {
      open += 1;
      socket.on('error', () => {});
      socket.on('close', () => {
        open -= 1;
      });
      socket.resume();
    });
    const port = await listening(silent);
    const handler = new HTTPHandler({ env: { HTTPS_PROXY: `http://127.0.0.1:${port}` }, connectMs: 150 });
    const store = storeAt('https://s3.example.com', handler);
    const began = performance.now();
    await expect(store.stat('k')).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringMatching(/no connection within/),
    });
    expect(performance.now() - began).toBeLessThan(30_000);
    await expect.poll(() => open).toBe(0);
  });
});

describe('a server that cannot be reached', () => {
  test.each([
    ['http://127.0.0.1:1', /ECONNREFUSED/, /Nothing listens/],
    ['http://no-such-host.invalid', /ENOTFOUND|EAI_AGAIN/, /name of the host is unknown/],
  ])('%s is told with the reason', async (endpoint, message, hint) => {
    const store = storeAt(endpoint);
    await expect(store.stat('k')).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
      details: { bucket: 'bucket', key: 'k', operation: 'stat', host: endpoint.slice(7) },
    });
  });

  test('that resets connections is worth another try', async () => {
    const resetting = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.resetAndDestroy());
    });
    const store = storeAt(`http://127.0.0.1:${await listening(resetting)}`);
    await expect(store.put('k', bytesBody(patternBytes(10)))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', disposition: 'retry' });
  });

  test('that speaks no HTTP is worth another try', async () => {
    const other = createServer((socket) => {
      socket.on('error', () => {});
      socket.end('220 mail.example.com ESMTP\r\n');
    });
    const store = storeAt(`http://127.0.0.1:${await listening(other)}`);
    await expect(store.stat('k')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });
});

describe('an abort', () => {
  test('at any stage ends with its reason and closes the connection', async () => {
    const stages = {
      list: (store: S3Store, signal: AbortSignal) => collect(store.list('', { signal })),
      open: (store: S3Store, signal: AbortSignal) => store.open('k', { signal }),
      stat: (store: S3Store, signal: AbortSignal) => store.stat('k', { signal }),
      put: (store: S3Store, signal: AbortSignal) => store.put('k', bytesBody(patternBytes(10)), { signal }),
      'large put': (store: S3Store, signal: AbortSignal) => store.put('k', chunkedBody(patternBytes(6 * MIB), 6, true), { signal }),
      delete: (store: S3Store, signal: AbortSignal) => store.delete(['k'], { signal }),
    };
    for (const [name, run] of Object.entries(stages)) {
      const controller = new AbortController();
      const reason = new Error(`stopped ${name}`);
      server.script = () => () => void setTimeout(() => controller.abort(reason), 10);
      await expect(run(server.store({ endpoint: server.endpoint }), controller.signal), name).rejects.toBe(reason);
    }
    await expect.poll(() => server.connections).toBe(0);
  });

  test('while a body is read ends the reading and closes the connection', async () => {
    server.script = () => (response) => {
      response.writeHead(200, { etag: '"e"', 'content-length': '1000' });
      response.write('some');
    };
    const controller = new AbortController();
    const reason = new Error('stopped');
    const opened = await server.store({ endpoint: server.endpoint }).open('k', { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await expect(collect(opened.body)).rejects.toBe(reason);
    await expect.poll(() => server.connections).toBe(0);
  });
});

describe('a proxy of the environment', () => {
  test('gets requests for HTTP endpoints, except those it is not meant for', async () => {
    const asked: string[] = [];
    const proxy = createHTTP((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(404).end();
    });
    const env = { HTTP_PROXY: `http://127.0.0.1:${await listening(proxy)}`, NO_PROXY: '127.0.0.1' };
    await expect(storeAt('http://s3.example.com', new HTTPHandler({ env })).stat('k')).rejects.toMatchObject({
      code: 'CONTAINER_NOT_FOUND',
    });
    expect(asked[0]).toBe('http://s3.example.com/bucket/k');
    await storeAt(server.endpoint, new HTTPHandler({ env })).stat('k');
    expect(server.seen.length).toBe(1);
  });

  test('tunnels for HTTPS endpoints', async () => {
    const tunnels: string[] = [];
    const proxy = createHTTP();
    proxy.on('connect', (request, socket) => {
      tunnels.push(request.url ?? '');
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    const handler = new HTTPHandler({ env: { https_proxy: `http://127.0.0.1:${await listening(proxy)}` } });
    await expect(storeAt('https://s3.example.com', handler).stat('k')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(tunnels).toEqual(['s3.example.com:443']);
  });

  test('that is no address is told before anything is sent', () => {
    expect(() => new HTTPHandler({ env: { HTTPS_PROXY: 'http://[nonsense' } })).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});

test('a certificate nobody vouches for is refused, unless certificates are not to be checked', async (context) => {
  if (findProgram('openssl') === undefined) context.skip('there is no openssl to make a certificate with');
  const directory = await tempDirectory();
  closers.push(() => directory.remove());
  const { key, cert } = makeCertificate(directory.path);
  const secure = createHTTPS({ key, cert }, (_, response) => {
    response.writeHead(200, { etag: '"e"', 'content-length': '3' }).end();
  });
  const endpoint = `https://127.0.0.1:${await listening(secure)}`;
  await expect(storeAt(endpoint).stat('k')).rejects.toMatchObject({
    code: 'ENDPOINT_UNTRUSTED',
    hint: expect.stringMatching(/NODE_EXTRA_CA_CERTS/),
  });
  expect((await storeAt(endpoint, new HTTPHandler({ env: {}, skipVerify: true })).stat('k')).size).toBe(3);
});
