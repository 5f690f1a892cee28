/** The fault proxies do what their scripts say: tests of tests, since a fault that does not happen proves nothing. */

import { createServer, request as makeRequest } from 'node:http';
import { connect, createServer as createTCPServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dateShifted, FaultProxy, type HTTPFault, type Place, shortened } from '../../support/fault-proxy.ts';
import { LoopbackDoor } from '../../support/loopback-door.ts';
import { TCPFaultProxy } from '../../support/tcp-fault-proxy.ts';

const BODY = Buffer.alloc(100_000, 'abcdefghij');

interface Heard {
  readonly status?: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  /** How it ended; absent when all was well. */
  readonly error?: string;
}

describe('the HTTP proxy', () => {
  const received: { host: string | undefined; body: Buffer; complete: boolean }[] = [];
  let door: LoopbackDoor;
  let proxy: FaultProxy;
  beforeEach(async () => {
    received.length = 0;
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      const note = () => received.push({ host: request.headers.host, body: Buffer.concat(chunks), complete: request.complete });
      request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {});
      request.on('close', () => request.complete || note());
      request.on('end', () => {
        note();
        response.setHeader('x-count', String(received.length));
        if (request.url !== '/chunked') response.setHeader('content-length', BODY.length);
        response.write(BODY);
        response.end();
      });
    });
    door = new LoopbackDoor(server);
    await door.open();
    proxy = await FaultProxy.start(`http://127.0.0.1:${door.port}`);
  });
  afterEach(async () => {
    await proxy.stop();
    await door.shut();
  });

  const ask = ({ path = '/x', method = 'PUT', body = BODY }: { path?: string; method?: string; body?: Buffer } = {}, limitMs = 60_000) =>
    new Promise<Heard>((resolve) => {
      const chunks: Buffer[] = [];
      let seen: Omit<Heard, 'body'> = { headers: {} };
      const end = (error?: string) => resolve({ ...seen, body: Buffer.concat(chunks), ...(error === undefined ? {} : { error }) });
      const request = makeRequest(`${proxy.endpoint}${path}`, { method, agent: false }, (response) => {
        seen = { status: response.statusCode ?? 0, headers: response.headers };
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', (error) => end(error.message)).on('end', () => end(response.complete ? undefined : 'incomplete'));
      });
      request.setTimeout(limitMs, () => end('silence'));
      request.on('error', (error) => end(error.message));
      request.end(body);
    });

  it('passes requests and answers unchanged, the Host header included', async () => {
    const heard = await ask();
    expect(heard).toMatchObject({ status: 200, body: BODY });
    expect(received).toEqual([{ host: `127.0.0.1:${proxy.port}`, body: BODY, complete: true }]);
  });

  const places: readonly [Place, number][] = [
    ['header', 0],
    ['first byte', 1],
    ['middle', 50_000],
    ['last byte', 99_999],
    [777, 777],
  ];
  for (const how of ['reset', 'end'] as const) {
    it.each(places)(`cuts an answer (${how}) at: %s`, async (at, bytes) => {
      proxy.script({ fault: { type: 'cut', of: 'answer', at, how } });
      const heard = await ask();
      expect(heard.error).toBeDefined();
      expect(heard.body.length).toBe(bytes);
      expect((await ask()).error).toBeUndefined();
    });
  }

  it('cuts a chunked answer after its last byte, before it is finished', async () => {
    proxy.script({ fault: { type: 'cut', of: 'answer', at: 'end' } });
    const heard = await ask({ path: '/chunked' });
    expect(heard.error).toBeDefined();
    expect(heard.body.length).toBe(BODY.length);
  });

  it.each(places)('cuts a request at: %s', async (at, bytes) => {
    proxy.script({ fault: { type: 'cut', of: 'request', at } });
    expect((await ask()).error).toBeDefined();
    if (at === 'header') expect(received).toEqual([]);
    else {
      await expect.poll(() => received.length).toBe(1);
      expect(received[0]).toMatchObject({ complete: false });
      expect(received[0]?.body.length).toBe(bytes);
    }
  });

  it.each([
    { type: 'silence', of: 'answer', at: 'header' },
    { type: 'silence', of: 'answer', at: 'middle' },
    { type: 'silence', of: 'request', at: 'middle' },
  ] satisfies HTTPFault[])('falls silent: $of, $at', async (fault) => {
    proxy.script({ fault });
    expect(await ask({}, 200)).toMatchObject({ error: 'silence' });
  });

  it('slows a body down', async () => {
    proxy.script({ fault: { type: 'slow', of: 'answer', bytesPerSecond: 400_000 } });
    const begin = performance.now();
    expect((await ask()).body).toEqual(BODY);
    expect(performance.now() - begin).toBeGreaterThan(200);
  });

  it('answers itself, the next two that match', async () => {
    const answer = { status: 503, headers: { 'retry-after': '7' }, body: '<html>' };
    proxy.script({ fault: { type: 'answer', answer }, when: ({ path }) => path === '/x', times: 2 });
    expect(await ask({ path: '/other' })).toMatchObject({ status: 200 });
    expect(await ask()).toMatchObject({ status: 503, body: Buffer.from('<html>'), headers: { 'retry-after': '7' } });
    expect(await ask()).toMatchObject({ status: 503 });
    expect(await ask()).toMatchObject({ status: 200 });
    expect(received.length).toBe(2);
    expect(proxy.outstanding).toBe(0);
  });

  it('loses an answer after the server has acted', async () => {
    proxy.script({ fault: { type: 'lost answer' } });
    expect((await ask()).error).toBeDefined();
    expect(received).toHaveLength(1);
  });

  it('delivers twice and lets either answer be heard', async () => {
    proxy.script({ fault: { type: 'twice', hears: 'first' } }, { fault: { type: 'twice', hears: 'second' } });
    expect(await ask()).toMatchObject({ status: 200, headers: { 'x-count': '1' } });
    expect(await ask()).toMatchObject({ status: 200, headers: { 'x-count': '4' } });
    expect(received).toHaveLength(4);
  });

  it('holds an answer back', async () => {
    proxy.script({ fault: { type: 'late answer', ms: 20_000 } });
    expect(await ask({}, 200)).toMatchObject({ error: 'silence' });
    await expect.poll(() => received).toHaveLength(1);
  });

  it('edits answers', async () => {
    proxy.script({ fault: dateShifted(3_600_000) }, { fault: shortened(10) });
    const { headers } = await ask();
    expect(Date.parse(String(headers.date)) - Date.now()).toBeGreaterThan(3_500_000);
    expect(await ask()).toMatchObject({ body: BODY.subarray(0, 10) });
  });

  it('goes down and comes up at the same port', async () => {
    const { port } = proxy;
    await proxy.down();
    expect((await ask()).error).toContain('ECONNREFUSED');
    await proxy.up();
    expect(proxy.port).toBe(port);
    expect((await ask()).status).toBe(200);
  });
});

describe('the TCP proxy', () => {
  let door: LoopbackDoor;
  let proxy: TCPFaultProxy;
  let received = 0;
  beforeEach(async () => {
    received = 0;
    const server = createTCPServer((socket) => {
      socket.on('data', (chunk) => {
        received += chunk.length;
        socket.write(chunk);
      });
    });
    door = new LoopbackDoor(server);
    await door.open();
    proxy = await TCPFaultProxy.start({ host: '127.0.0.1', port: door.port });
  });
  afterEach(async () => {
    await proxy.stop();
    await door.shut();
  });

  /** Sends BODY and returns how much of its echo came until the end, or until nothing came for `quietMs` after the first bytes. */
  const echo = (quietMs = 60_000) =>
    new Promise<{ bytes: number; ended: string }>((resolve) => {
      let bytes = 0;
      const socket = connect({ host: '127.0.0.1', port: proxy.port });
      const end = (ended: string) => {
        socket.destroy();
        resolve({ bytes, ended });
      };
      let timer = setTimeout(() => end('silence'), 60_000);
      socket.on('data', (chunk) => {
        clearTimeout(timer);
        timer = setTimeout(() => end('silence'), quietMs);
        bytes += chunk.length;
        if (bytes === BODY.length) end('all');
      });
      socket.on('error', (error) => end((error as NodeJS.ErrnoException).code ?? ''));
      socket.on('end', () => end('end'));
      socket.on('close', () => clearTimeout(timer));
      socket.write(BODY);
    });

  it('passes everything', async () => {
    expect(await echo()).toEqual({ bytes: BODY.length, ended: 'all' });
  });

  it('cuts after so many bytes in either direction, once', async () => {
    proxy.script({ type: 'cut', direction: 'to client', after: 1_234 });
    expect(await echo()).toEqual({ bytes: 1_234, ended: 'ECONNRESET' });
    proxy.script({ type: 'cut', direction: 'to server', after: 1_234 });
    received = 0;
    expect((await echo()).ended).not.toBe('all');
    // The server may hear of it after the client has.
    await expect.poll(() => received).toBe(1_234);
    expect(await echo()).toEqual({ bytes: BODY.length, ended: 'all' });
  });

  it('ends in order where it is told to', async () => {
    proxy.script({ type: 'cut', direction: 'to client', after: 10, how: 'end' });
    expect(await echo()).toEqual({ bytes: 10, ended: 'end' });
  });

  it('falls silent until it is healed', async () => {
    proxy.script({ type: 'silence', direction: 'to client', after: 10 });
    expect(await echo(1500)).toEqual({ bytes: 10, ended: 'silence' });
    proxy.heal();
    expect((await echo()).ended).toBe('all');
  });

  it('goes down and comes up at the same port', async () => {
    await proxy.down();
    expect((await echo()).ended).toBe('ECONNREFUSED');
    await proxy.up();
    expect((await echo()).ended).toBe('all');
    expect(proxy.accepted).toBe(1);
  });
});
