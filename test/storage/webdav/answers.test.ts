import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer as createHTTPS } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { bytesBody } from '../../../src/storage/body.ts';
import { WebDAVStore, type WebDAVStoreOptions } from '../../../src/storage/webdav/webdav.ts';
import { ScriptedHTTP, until } from '../../support/scripted-http.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { chunkedBody, collect, getBytes, listAll, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { type DAVOptions, MemoryDAV } from './memory-dav.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function storeAt(endpoint: string, options: WebDAVStoreOptions = {}): WebDAVStore {
  const store = new WebDAVStore({ type: 'webdav', endpoint, path: '/db/replica' }, options);
  ends.push(() => store.close());
  return store;
}

async function dav(options: DAVOptions = {}, storeOptions: WebDAVStoreOptions = {}): Promise<{ server: MemoryDAV; store: WebDAVStore }> {
  const server = await MemoryDAV.start(options);
  ends.push(() => server.http.close());
  return { server, store: storeAt(server.endpoint, storeOptions) };
}

/** A server on which a replica with one object stands. */
async function withObject(
  options: DAVOptions = {},
  storeOptions: WebDAVStoreOptions = {},
): Promise<{ server: MemoryDAV; store: WebDAVStore }> {
  const made = await dav(options, storeOptions);
  await putBytes(made.store, 'ltx/0/a', patternBytes(1000));
  return made;
}

const calls = (store: WebDAVStore): readonly (() => Promise<unknown>)[] => [
  () => listKeys(store, 'ltx/0/'),
  () => store.open('ltx/0/a'),
  () => store.stat('ltx/0/a'),
  () => putBytes(store, 'ltx/0/b', patternBytes(10)),
  () => store.delete(['ltx/0/a']),
];

describe('an answer that is not WebDAV', () => {
  const page = '<!DOCTYPE html><html><body>Please log in</body></html>';
  test.each([
    ['a page with 200', 200, 'text/html', page],
    ['a page with 207', 207, 'text/html', page],
    ['an empty 207', 207, 'application/xml', ''],
    ['JSON', 200, 'application/json', '{"files":[]}'],
    ['another document', 207, 'application/xml', '<?xml version="1.0"?><other xmlns="DAV:"><multistatus-not/></other>'],
    ['an empty multistatus', 207, 'application/xml', '<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"></D:multistatus>'],
    [
      'entities of its own',
      207,
      'application/xml',
      '<!DOCTYPE x [<!ENTITY a "b">]><D:multistatus xmlns:D="DAV:"><D:response><D:href>/dav/db/replica</D:href></D:response></D:multistatus>',
    ],
    ['a broken document', 207, 'application/xml', '<D:multistatus xmlns:D="DAV:"><D:response><D:href>/dav'],
    [
      'another directory',
      207,
      'application/xml',
      '<D:multistatus xmlns:D="DAV:"><D:response><D:href>/etc/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>',
    ],
  ])('%s is never an empty listing', async (_, status, type, text) => {
    const { store } = await dav({
      override: ({ method }, response) => {
        if (method !== 'PROPFIND') return false;
        response.writeHead(status, { 'Content-Type': type }).end(text);
        return true;
      },
    });
    await expect(listKeys(store)).rejects.toMatchObject({ code: 'RESPONSE_INVALID', hint: expect.any(String) });
    await expect(store.stat('a')).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });

  test('names the endpoint and shows the beginning of a page', async () => {
    const { server, store } = await dav({
      override: (_, response) => {
        response.writeHead(200, { 'Content-Type': 'text/html' }).end(page);
        return true;
      },
    });
    await expect(listKeys(store)).rejects.toMatchObject({ message: expect.stringContaining('Please log in') });
    await expect(listKeys(store)).rejects.toMatchObject({ message: expect.stringContaining(server.http.url) });
  });

  test('a page in the place of a file is no file, and a file that is a page is one', async () => {
    let pages = true;
    const { server, store } = await withObject({
      override: ({ method }, response) => {
        if (method !== 'GET' || !pages) return false;
        response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Length': String(page.length) }).end(page);
        return true;
      },
    });
    await expect(store.open('ltx/0/a')).rejects.toMatchObject({
      code: 'RESPONSE_INVALID',
      message: expect.stringContaining('Please log in'),
    });
    await putBytes(store, 'ltx/0/page', Buffer.from(page));
    expect(Buffer.from(await getBytes(store, 'ltx/0/page')).toString()).toBe(page);
    pages = false;
    expect(await getBytes(store, 'ltx/0/a')).toHaveLength(1000);
    expect(server.files.size).toBe(2);
  });

  test('is told from a server that does not speak HTTP, and from one that is not there', async () => {
    const other = createServer((socket) => {
      socket.on('error', () => {}).resume();
      socket.end('SSH-2.0-OpenSSH_9.2\r\n');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    await expect(listKeys(storeAt(`http://127.0.0.1:${port}`))).rejects.toMatchObject({
      code: 'RESPONSE_INVALID',
      message: expect.stringContaining('does not speak HTTP'),
    });
    await new Promise((resolve) => other.close(resolve));
    await expect(listKeys(storeAt(`http://127.0.0.1:${port}`))).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    expect(() => storeAt('ftp://nas')).toThrow('no URL of a WebDAV server');
  });
});

describe('statuses', () => {
  test.each([
    [401, {}, 'CREDENTIALS_INVALID'],
    [403, {}, 'ACCESS_DENIED'],
    [413, {}, 'NOT_SUPPORTED'],
    [423, {}, 'STORAGE_UNAVAILABLE'],
    [429, { 'Retry-After': '7' }, 'STORAGE_THROTTLED'],
    [500, {}, 'STORAGE_UNAVAILABLE'],
    [503, {}, 'STORAGE_UNAVAILABLE'],
    [503, { 'Retry-After': '7' }, 'STORAGE_THROTTLED'],
    [507, {}, 'STORAGE_FULL'],
    [302, { Location: '/login' }, 'RESPONSE_INVALID'],
    [418, {}, 'RESPONSE_INVALID'],
  ])('%i %j is %s, whatever is asked', async (status, headers, code) => {
    let isOn = false;
    const { store } = await withObject({
      override: (_, response) => {
        if (!isOn) return false;
        response.writeHead(status, { 'X-Request-Id': 'req-1', ...headers }).end('why');
        return true;
      },
    });
    isOn = true;
    for (const call of calls(store)) {
      const error = await call().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({ code, hint: expect.any(String), details: { status, requestID: 'req-1' } });
      if (code === 'STORAGE_THROTTLED') expect(error).toMatchObject({ details: { retryAfterMs: 7000 } });
    }
  });

  test('a redirect to https says to set it, and nothing is sent there', async () => {
    const { store } = await dav({
      override: (_, response) => {
        response.writeHead(301, { Location: 'https://nas.example.com/dav/?token=hidden' }).end();
        return true;
      },
    });
    await expect(listKeys(store)).rejects.toMatchObject({ code: 'RESPONSE_INVALID', hint: expect.stringContaining('https') });
    await expect(listKeys(store)).rejects.not.toMatchObject({ message: expect.stringContaining('hidden') });
  });

  test('a certificate nobody has signed is not trusted', async () => {
    const directory = await tempDirectory();
    ends.push(directory.remove);
    const at = (name: string) => join(directory.path, name);
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-keyout',
        at('key'),
        '-out',
        at('cert'),
        '-subj',
        '/CN=127.0.0.1',
        '-days',
        '2',
      ],
      { stdio: 'pipe' },
    );
    const server = await ScriptedHTTP.start(
      (_, response) => void response.end(),
      createHTTPS({ key: readFileSync(at('key')), cert: readFileSync(at('cert')) }) as never,
    );
    ends.push(() => server.close());
    await expect(listKeys(storeAt(`https://127.0.0.1:${server.port}`))).rejects.toMatchObject({
      code: 'ENDPOINT_UNTRUSTED',
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
    expect(server.asked).toEqual([]);
  });
});

describe('servers of many kinds', () => {
  test('one that knows no ranges: what comes too much is skipped and cut', async () => {
    const { store } = await withObject({ ranges: false });
    const bytes = patternBytes(1000);
    for (const [offset, length] of [
      [0, 10],
      [500, 100],
      [990, 100],
      [999, 1],
      [1000, 5],
      [100, undefined],
    ] as const)
      expect(
        Buffer.compare(
          await getBytes(store, 'ltx/0/a', length === undefined ? { offset } : { offset, length }),
          bytes.subarray(offset, length === undefined ? undefined : offset + length),
        ),
        `${offset}`,
      ).toBe(0);
  });

  test('one that sends another range than was asked for', async () => {
    const { store } = await withObject({
      override: ({ method }, response) => {
        if (method !== 'GET') return false;
        response.writeHead(206, { 'Content-Range': 'bytes 0-99/1000' }).end(patternBytes(100));
        return true;
      },
    });
    await expect(store.open('ltx/0/a', { offset: 10, length: 100 })).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });

  test('one that does not move files: it is written directly, and create-only is not supported', async () => {
    const { server, store } = await dav({
      override: ({ method }, response) => {
        if (method !== 'MOVE') return false;
        response.writeHead(405).end();
        return true;
      },
    });
    for (const size of [100, 50]) {
      await store.put('ltx/0/a', chunkedBody(patternBytes(size), 3));
      expect(await getBytes(store, 'ltx/0/a')).toHaveLength(size);
    }
    expect(server.asked.filter((line) => line.startsWith('MOVE'))).toHaveLength(1);
    await expect(store.put('ltx/0/b', bytesBody(patternBytes(1)), { ifAbsent: true })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    await store.close();
    expect([...server.files.keys()]).toEqual(['/dav/db/replica/ltx/0/a']);
  });

  test('one behind a proxy that does not know its own name: the target is told as a path', async () => {
    const { server, store } = await dav({
      override: ({ method, headers }, response) => {
        if (method !== 'MOVE' || !String(headers.destination).startsWith('http')) return false;
        response.writeHead(502).end();
        return true;
      },
    });
    for (const key of ['a', 'b']) await store.put(key, bytesBody(patternBytes(5)), { ifAbsent: true });
    expect([...server.files.keys()].sort()).toEqual(['/dav/db/replica/a', '/dav/db/replica/b']);
    expect(server.asked.filter((line) => line.startsWith('MOVE'))).toHaveLength(3);
  });

  test('one whose proxy shows other paths, or whole URLs', async () => {
    for (const href of [(path: string) => path.replace(/^\/dav/, '/internal/files'), (path: string) => `http://backend:8080${path}`]) {
      const { store } = await dav({ href });
      for (const key of ['ltx/0/a b', 'ltx/0/ü', 'ltx/1/c']) await putBytes(store, key, patternBytes(3));
      expect(await listKeys(store)).toEqual(['ltx/0/a b', 'ltx/0/ü', 'ltx/1/c']);
      expect(await listKeys(store, 'ltx/0/')).toHaveLength(2);
    }
  });

  test('one that tells unknown properties before the known ones', async () => {
    const { store } = await dav({ split: true });
    await putBytes(store, 'ltx/0/a', patternBytes(30));
    expect(await listAll(store)).toEqual([{ key: 'ltx/0/a', size: 30, createdAt: 0 }]);
    expect((await store.stat('ltx/0/a')).tag).toBe('"30e5"');
  });

  test('one that keeps fewer bytes than it was sent: nothing gets the name', async () => {
    const { server, store } = await withObject();
    server.options.override = ({ method, url }, response) => {
      if (method !== 'PUT') return false;
      server.files.set(decodeURIComponent(url), Buffer.alloc(3));
      response.writeHead(201).end();
      return true;
    };
    await expect(putBytes(store, 'ltx/0/a', patternBytes(20))).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      details: { kept: 3, sent: 20 },
    });
    await store.close();
    expect([...server.files].map(([path, { length }]) => [path, length])).toEqual([['/dav/db/replica/ltx/0/a', 1000]]);
  });

  test('one that answers before it has read everything, and means it', async () => {
    const { server, store } = await withObject();
    server.http.asked.length = 0;
    const refuser = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (head) => {
        socket.resume();
        socket.write(
          head.toString().startsWith('PUT')
            ? 'HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
            : 'HTTP/1.1 207 M\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
        );
      });
    });
    await new Promise<void>((resolve) => refuser.listen(0, '127.0.0.1', resolve));
    ends.push(() => new Promise((resolve) => refuser.close(resolve)));
    const { HTTPConnections, HTTP_LIMITS } = await import('../../../src/storage/webdav/http.ts');
    const connections = new HTTPConnections(new URL(`http://127.0.0.1:${(refuser.address() as { port: number }).port}`), HTTP_LIMITS);
    let sent = 0;
    const body = {
      size: 100_000_000,
      async *open() {
        for (; sent < 100; sent++) yield patternBytes(1_000_000);
      },
    };
    const answer = await connections.send({ method: 'PUT', target: '/x', headers: {}, body, signal: undefined });
    expect(answer.status).toBe(413);
    expect(sent).toBeLessThan(100);
    answer.discard();
    connections.close();
    expect(await getBytes(store, 'ltx/0/a')).toHaveLength(1000);
  });

  test('one that closes idle connections: the request is sent again over a new one', async () => {
    const { server, store } = await withObject();
    // Closed without a word, as it happens between two requests.
    let cuts = 0;
    server.options.override = (_, response) => {
      if (cuts === 0) return false;
      cuts -= 1;
      response.socket?.destroy();
      return true;
    };
    for (const call of calls(store)) {
      await store.stat('ltx/0/a');
      cuts = 1;
      await call();
      expect(cuts).toBe(0);
    }
  });
});

describe('silence', () => {
  const limits = { connectMs: 10_000, idleMs: 1500, answerMs: 2000 };

  test('before the answer, in the middle of a body and of an upload ends after its time', async () => {
    let silent = '';
    const { store } = await withObject(
      {
        override: ({ method }, response) => {
          if (method !== silent) return false;
          if (method === 'GET') response.writeHead(200, { 'Content-Length': '1000' }).write(patternBytes(100));
          return true;
        },
      },
      { limits },
    );
    const unavailable = { code: 'STORAGE_UNAVAILABLE', message: expect.stringContaining('no sign of') };
    silent = 'PROPFIND';
    await expect(listKeys(store)).rejects.toMatchObject(unavailable);
    silent = 'GET';
    const opened = await store.open('ltx/0/a');
    await expect(collect(opened.body)).rejects.toMatchObject(unavailable);
    silent = 'MOVE';
    await expect(putBytes(store, 'ltx/0/b', patternBytes(1))).rejects.toMatchObject(unavailable);
    silent = '';
    expect(await listKeys(store)).toEqual(['ltx/0/a']);
  });

  test('of a reader who takes his time is none', async () => {
    const { store } = await withObject({}, { limits });
    await putBytes(store, 'big', patternBytes(5_000_000));
    const opened = await store.open('big');
    let size = 0;
    for await (const chunk of opened.body) {
      if (size === 0) await new Promise((resolve) => setTimeout(resolve, 3000));
      size += chunk.byteLength;
    }
    expect(size).toBe(5_000_000);
  });

  test('of a peer that takes no more bytes ends an upload', async () => {
    const stuck = createServer((socket) => {
      socket.on('error', () => {}).pause();
    });
    await new Promise<void>((resolve) => stuck.listen(0, '127.0.0.1', resolve));
    const { HTTPConnections } = await import('../../../src/storage/webdav/http.ts');
    const connections = new HTTPConnections(new URL(`http://127.0.0.1:${(stuck.address() as { port: number }).port}`), limits);
    const body = {
      size: 1e9,
      async *open() {
        for (;;) yield new Uint8Array(1_000_000);
      },
    };
    await expect(connections.send({ method: 'PUT', target: '/x', headers: {}, body, signal: undefined })).rejects.toThrow(
      'room for more bytes',
    );
    connections.close();
    stuck.close();
  });

  test('leaves no connection open, nor does a call that is given up', async () => {
    let silent = '';
    const { server, store } = await withObject({
      override: ({ method }) => method === silent,
    });
    const reason = new Error('enough');
    for (const [method, call] of [
      ['PROPFIND', 0],
      ['GET', 1],
      ['PROPFIND', 2],
      ['MOVE', 3],
      ['DELETE', 4],
    ] as const) {
      silent = method;
      const stop = new AbortController();
      const { signal } = stop;
      const asked = server.http.asked.length;
      const all = [
        () => collect(store.list('ltx/0/', { signal })),
        () => store.open('ltx/0/a', { signal }),
        () => store.stat('ltx/0/a', { signal }),
        () => store.put('ltx/0/b', bytesBody(patternBytes(10)), { signal }),
        () => store.delete(['ltx/0/a'], { signal }),
      ];
      const seen = expect(all[call]?.()).rejects.toBe(reason);
      await until(() => server.http.asked.slice(asked).some((one) => one.method === method), `${method} was asked`);
      stop.abort(reason);
      await seen;
    }
    silent = '';
    await store.close();
    await until(() => server.http.connections === 0, 'all connections are closed');
  });
});
