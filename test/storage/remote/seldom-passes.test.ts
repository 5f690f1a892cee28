/** Mistakes in the address of a destination, told from servers that are only not there yet. Real sockets on loopback, no service. */

import { createServer as createHTTP } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { openStore } from '../../../src/storage/registry.ts';
import { seldomPasses } from '../../../src/storage/remote/seldom-passes.ts';
import type { StoreSpec } from '../../../src/storage/spec.ts';

const sockets = new Set<Socket>();
const servers: Server[] = [];

async function listen(server: Server): Promise<number> {
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const ports = { page: 0, banner: 0, closed: 9, reset: 0 };

beforeAll(async () => {
  ports.page = await listen(
    createHTTP((_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html><h1>Welcome</h1></html>')),
  );
  ports.banner = await listen(createServer((socket) => socket.end('+OK another kind of server\r\n')));
  ports.reset = await listen(createServer((socket) => socket.resetAndDestroy()));
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});

type Kind = StoreSpec['type'];

/** A destination of each kind at `host` and `port`; `tls` where its address says so. */
function specAt(type: Kind, host: string, port: number, tls = false): StoreSpec {
  const endpoint = `${tls ? 'https' : 'http'}://${host}:${port}`;
  const keys = { accessKeyID: 'key', secretAccessKey: 'secret', accessKeySecret: 'secret' };
  switch (type) {
    case 's3':
      return { type, bucket: 'b', path: 'p', endpoint, region: 'us-east-1', forcePathStyle: true, credentials: keys };
    case 'oss':
      return { type, bucket: 'bucket', path: 'p', endpoint, region: 'cn-hangzhou', credentials: keys };
    case 'abs':
      return { type, bucket: 'b', path: 'p', endpoint: `${endpoint}/acct`, accountName: 'acct', credentials: { accountKey: 'a2V5' } };
    case 'gs':
      return { type, bucket: 'b', path: 'p', endpoint };
    case 'webdav':
      return { type, path: 'p', endpoint };
    case 'sftp':
      return { type, path: 'p', host, port, user: 'u', verifyHost: false, credentials: { password: 'secret' } };
    case 'nats':
      return { type, bucket: 'b', path: 'p', servers: [`nats://${host}:${port}`], timeoutMs: 20_000 };
    default:
      throw new Error(type);
  }
}

async function failureAt(spec: StoreSpec): Promise<LitestreamError> {
  const store = await openStore(spec);
  try {
    for await (const _ of store.list('')) break;
  } catch (error) {
    if (error instanceof LitestreamError) return error;
    throw error;
  } finally {
    await store.close();
  }
  throw new Error('it answered');
}

const ALL: readonly Kind[] = ['s3', 'oss', 'abs', 'gs', 'webdav', 'sftp', 'nats'];
const OVER_HTTP: readonly Kind[] = ['s3', 'oss', 'abs', 'gs', 'webdav'];

describe('a failure that seldom passes by itself is told from one of a server that is starting', () => {
  test.each(ALL)('%s: an unknown name', async (type) => {
    expect(seldomPasses(await failureAt(specAt(type, 'no-such-host.invalid', 9)))).toBe(true);
  });

  test.each(OVER_HTTP)('%s: https where http is spoken', async (type) => {
    expect(seldomPasses(await failureAt(specAt(type, '127.0.0.1', ports.page, true)))).toBe(true);
  });

  test.each(OVER_HTTP)('%s: a web page in the place of the service', async (type) => {
    expect(seldomPasses(await failureAt(specAt(type, '127.0.0.1', ports.page)))).toBe(true);
  });

  test.each([...OVER_HTTP, 'nats'] as const)('%s: a port where something else is spoken', async (type) => {
    expect(seldomPasses(await failureAt(specAt(type, '127.0.0.1', ports.banner)))).toBe(true);
  });

  test.each(ALL)('%s: nobody listens yet', async (type) => {
    expect(seldomPasses(await failureAt(specAt(type, '127.0.0.1', ports.closed)))).toBe(false);
  });

  test.each(ALL)('%s: connections that are taken and dropped, as by a proxy before a service that starts', async (type) => {
    expect(seldomPasses(await failureAt(specAt(type, '127.0.0.1', ports.reset)))).toBe(false);
  });
});
