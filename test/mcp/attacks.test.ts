import { createHash } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Secret } from '../../src/base/secret.ts';
import { startMCPHTTP } from '../../src/mcp/http.ts';
import { DEFAULT_LIMITS } from '../../src/mcp/limits.ts';
import type { MCPSettings } from '../../src/mcp/options.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { tempDirectory } from '../support/temp-directory.ts';
import { fakeControl } from './support/fake-control.ts';
import { initialize, JSON_HEADERS, modernRequest, type RawRequest, send } from './support/raw-http.ts';
import { door, mcpSettings } from './support/settings.ts';

const TOKEN = 'lsm_one-very-long-token-value';
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(changes: Partial<MCPSettings> = {}, more: object = {}): Promise<{ address: string }> {
  const listener = await startMCPHTTP(mcpSettings(changes), fakeControl(), { ...door, ...more });
  closers.push(() => listener.close());
  return { address: `${listener.address}/mcp` };
}

const listTools: RawRequest = modernRequest('tools/list');
const post = (address: string, headers: Record<string, string | undefined>) =>
  send(address, { ...listTools, headers: { ...listTools.headers, ...headers } });

describe('Host and Origin (T1)', () => {
  const port = (address: string) => new URL(address).port;
  const HOSTS: readonly (readonly [string, (port: string) => string | undefined, number])[] = [
    ['localhost', (p) => `localhost:${p}`, 200],
    ['the address', (p) => `127.0.0.1:${p}`, 200],
    ['IPv6 loopback', (p) => `[::1]:${p}`, 200],
    ['upper case', (p) => `LOCALHOST:${p}`, 200],
    ['no port', () => 'localhost', 200],
    ['a foreign name', () => 'evil.example', 403],
    ['a suffix trick', () => '127.0.0.1.evil.example', 403],
    ['a prefix trick', () => 'evil-localhost', 403],
    ['user info', () => 'localhost@evil.example', 403],
    ['another address', () => '192.168.1.5', 403],
    ['a trailing path', () => 'localhost/evil', 403],
    ['an empty name', () => '', 403],
  ];
  for (const [what, host, status] of HOSTS) {
    test(`Host: ${what} is answered ${status}`, async () => {
      const { address } = await start();
      expect((await post(address, { host: host(port(address)) })).status).toBe(status);
    });
  }
  test('a request without Host is refused', async () => {
    const { address } = await start();
    expect([400, 403]).toContain((await post(address, { host: undefined })).status);
  });

  const ORIGINS: readonly (readonly [string, string, number])[] = [
    ['loopback', 'http://localhost:6274', 200],
    ['loopback by address and TLS', 'https://127.0.0.1', 200],
    ['a web site', 'https://evil.example', 403],
    ['null', 'null', 403],
    ['an extension', 'moz-extension://2c127fa4', 403],
    ['a suffix trick', 'http://localhost.evil.example', 403],
    ['user info', 'http://localhost@evil.example', 403],
    ['a path', 'http://localhost/x', 403],
  ];
  for (const [what, origin, status] of ORIGINS) {
    test(`Origin: ${what} is answered ${status}`, async () => {
      const { address } = await start();
      expect((await post(address, { origin })).status).toBe(status);
    });
  }
  test('configured names are allowed, their neighbours are not', async () => {
    const { address } = await start({ allowedHosts: ['mcp.example.org'], allowedOrigins: ['https://app.example.org'] });
    expect((await post(address, { host: 'mcp.example.org', origin: 'https://app.example.org' })).status).toBe(200);
    expect((await post(address, { host: 'mcp.example.org.evil' })).status).toBe(403);
    expect((await post(address, { origin: 'https://app.example.org.evil' })).status).toBe(403);
  });
  test('names are checked before the token, on every path', async () => {
    const { address } = await start({ token: new Secret(TOKEN) });
    for (const path of ['/mcp', '/sse', '/.well-known/oauth-protected-resource', '/nothing']) {
      expect((await send(address, { method: 'GET', path, headers: { host: 'evil.example' } })).status).toBe(403);
    }
  });
});

describe('tokens', () => {
  const guarded = { token: new Secret(TOKEN) };
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['none', undefined],
    ['a wrong one', 'Bearer lsm_wrong'],
    ['one of 10 kB', `Bearer ${'x'.repeat(10_000)}`],
    ['another scheme', `Basic ${TOKEN}`],
    ['the beginning of the right one', `Bearer ${TOKEN.slice(0, -1)}`],
    ['the right one with more', `Bearer ${TOKEN}x`],
  ];
  for (const [what, authorization] of cases) {
    test(`${what} is answered 401 and tells nothing else`, async () => {
      const { address } = await start(guarded);
      for (const request of [listTools, { method: 'GET', path: '/nothing' }, { method: 'PUT' }, { ...listTools, body: '{' }]) {
        const answer = await send(address, { ...request, headers: { ...request.headers, authorization } });
        expect(answer.status).toBe(401);
        expect(answer.headers['www-authenticate']).toBe('Bearer');
      }
    });
  }
  test('the right one is accepted', async () => {
    const { address } = await start(guarded);
    expect((await post(address, { authorization: `Bearer ${TOKEN}` })).status).toBe(200);
  });
  test('one in the query is refused with 400 and not repeated', async () => {
    const { address } = await start(guarded);
    const answer = await send(address, { ...listTools, path: `/mcp?token=${TOKEN}` });
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain(TOKEN);
  });
  test('after ten wrong ones in a minute the address gets 429, the right token still passes', async () => {
    const { address } = await start(guarded, { clock: new FakeClock() });
    const wrong = () => post(address, { authorization: 'Bearer lsm_guess' });
    for (let attempt = 0; attempt < 10; attempt += 1) expect((await wrong()).status).toBe(401);
    const refused = await wrong();
    expect(refused.status).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await post(address, { authorization: `Bearer ${TOKEN}` })).status).toBe(200);
  });
  test('without a token an open address is a start-up error, and no host means loopback', async () => {
    const open = { host: '0.0.0.0', port: 0, text: '0.0.0.0:0', anyHost: false };
    await expect(start({ address: open })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const { address } = await start({ address: { host: '', port: 0, text: ':0', anyHost: true } });
    expect(new URL(address).hostname).toBe('127.0.0.1');
  });
  test('a port in use is ADDRESS_IN_USE', async () => {
    const { address } = await start();
    const port = Number(new URL(address).port);
    const taken = { host: '127.0.0.1', port, text: `127.0.0.1:${port}`, anyHost: false };
    await expect(start({ address: taken })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
  });
});

describe('one principal and another (T4)', () => {
  const digest = (token: string) => createHash('sha256').update(token).digest('hex');
  const entry = (name: string, scopes = '[read]') => `- { name: ${name}, sha256: ${digest(`token-of-${name}`)}, scopes: ${scopes} }\n`;
  const auth = (name: string) => ({ authorization: `Bearer token-of-${name}` });

  async function tokenFile(text: string): Promise<string> {
    const directory = await tempDirectory();
    closers.push(() => directory.remove());
    const path = join(directory.path, 'tokens.yml');
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  async function open(address: string, name: string): Promise<string> {
    const answer = await send(address, { headers: { ...JSON_HEADERS, ...auth(name) }, body: initialize });
    expect(answer.status).toBe(200);
    return String(answer.headers['mcp-session-id']);
  }

  const list = (address: string, name: string, id: string) =>
    send(address, {
      headers: { ...JSON_HEADERS, ...auth(name), 'mcp-session-id': id },
      body: JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' }),
    });

  test('a connection id belongs to who opened it', async () => {
    const { address } = await start({ tokenFile: await tokenFile(entry('ann') + entry('bob')) });
    const id = await open(address, 'ann');
    expect((await list(address, 'ann', id)).status).toBe(200);
    expect((await list(address, 'bob', id)).status).toBe(404);
    expect((await send(address, { method: 'DELETE', headers: { ...auth('bob'), 'mcp-session-id': id } })).status).toBe(404);
    expect((await list(address, 'ann', id)).status).toBe(200);
    expect((await send(address, { method: 'DELETE', headers: { ...auth('ann'), 'mcp-session-id': id } })).status).toBe(200);
    expect((await list(address, 'ann', id)).status).toBe(404);
  });

  test('an SSE stream belongs to who opened it', async () => {
    const { address } = await start({ tokenFile: await tokenFile(entry('ann') + entry('bob')) });
    const controller = new AbortController();
    closers.push(async () => controller.abort());
    const stream = await fetch(address.replace(/mcp$/, 'sse'), { headers: auth('ann'), signal: controller.signal });
    const first = await stream.body?.getReader().read();
    const path = /data: (\S+)/.exec(new TextDecoder().decode(first?.value))?.[1] ?? '';
    expect(path).toMatch(/^\/messages\?sessionId=/);
    const as = (name: string) => send(address, { path, headers: { ...JSON_HEADERS, ...auth(name) }, body: initialize });
    expect((await as('bob')).status).toBe(404);
    expect((await as('ann')).status).toBe(202);
  });

  test('a token that is taken out of the file loses its access and its connections', async () => {
    const path = await tokenFile(entry('ann') + entry('bob'));
    const { address } = await start({ tokenFile: path });
    const controller = new AbortController();
    const stream = await fetch(address.replace(/mcp$/, 'sse'), { headers: auth('ann'), signal: controller.signal });
    const reader = stream.body?.getReader();
    await reader?.read();
    await writeFile(path, entry('bob'));
    const ended = await reader?.read().then(
      (chunk) => chunk.done,
      () => true,
    );
    expect(ended).toBe(true);
    expect((await post(address, auth('ann'))).status).toBe(401);
    expect((await post(address, auth('bob'))).status).toBe(200);
  });

  test('a file that others can read, or with an unknown key, is refused at start', async () => {
    const loose = await tokenFile(entry('ann'));
    await chmod(loose, 0o644);
    await expect(start({ tokenFile: loose })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const odd = await tokenFile(`- { name: ann, sha256: ${digest('x')}, scopes: [read], database: 'shop*' }\n`);
    await expect(start({ tokenFile: odd })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(start({ tokenFile: `${odd}.missing` })).rejects.toMatchObject({ code: 'CONFIG_NOT_FOUND' });
  });

  test('an expired token is refused', async () => {
    const { address } = await start({ tokenFile: await tokenFile(entry('ann').replace(' }', ', expires: 2020-01-01T00:00:00Z }')) });
    expect((await post(address, auth('ann'))).status).toBe(401);
  });
});

describe('bodies (T13)', () => {
  const body = (text: string) => ({ headers: JSON_HEADERS, body: text });
  test('5 MiB is answered 413', async () => {
    const { address } = await start();
    const answer = await send(address, body(JSON.stringify({ x: 'y'.repeat(5 * 1024 * 1024) }))).catch(() => ({ status: 413 }));
    expect(answer.status).toBe(413);
  });
  test('5 MiB without a length is answered 413', async () => {
    const { address } = await start();
    const big = JSON.stringify({ x: 'y'.repeat(5 * 1024 * 1024) });
    const answer = await send(address, {
      ...body(big),
      headers: { ...JSON_HEADERS, 'content-length': undefined, 'transfer-encoding': 'chunked' },
    }).catch(() => ({ status: 413 }));
    expect(answer.status).toBe(413);
  });
  const nested = (depth: number) =>
    initialize.replace('"capabilities":{}', `"capabilities":{"x":${'['.repeat(depth)}${']'.repeat(depth)}}`);
  const BAD: readonly (readonly [string, string, RegExp])[] = [
    ['a depth of 10,000', nested(10_000), /nested deeper than 32/],
    ['a depth of 33', nested(30), /nested deeper than 32/],
    ['a key __proto__', initialize.replace('"name":"raw"', '"__proto__":{"x":1},"name":"raw"'), /key that is not allowed/],
    ['no JSON', '{"jsonrpc":', /not JSON/],
    ['an empty body', '', /not JSON/],
    ['a batch', `[${initialize}]`, /[Bb]atch/],
    ['no message', '{"hello":1}', /./],
  ];
  for (const [what, text, message] of BAD) {
    test(`${what} is answered 400`, async () => {
      const { address } = await start();
      const answer = await send(address, body(text));
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text)).toMatchObject({
        jsonrpc: '2.0',
        error: { code: expect.any(Number), message: expect.stringMatching(message) },
      });
    });
  }
  test('a depth of 32 is fine', async () => {
    const { address } = await start();
    expect((await send(address, body(nested(29)))).status).toBe(200);
  });
});

describe('the status table', () => {
  const cases: readonly (readonly [string, RawRequest, number])[] = [
    ['OPTIONS is 405', { method: 'OPTIONS', headers: { origin: 'http://localhost' } }, 405],
    ['GET without an id is 405', { method: 'GET', headers: { accept: 'text/event-stream' } }, 405],
    ['DELETE without an id is 405', { method: 'DELETE' }, 405],
    ['PUT is 405', { method: 'PUT', headers: JSON_HEADERS, body: '{}' }, 405],
    ['an unknown path is 404', { method: 'GET', path: '/admin' }, 404],
    ['OAuth metadata is a definite 404', { method: 'GET', path: '/.well-known/oauth-protected-resource' }, 404],
    ['another content type is 415', { headers: { ...JSON_HEADERS, 'content-type': 'text/plain' }, body: initialize }, 415],
    ['a form is 415', { headers: { ...JSON_HEADERS, 'content-type': 'application/x-www-form-urlencoded' }, body: 'a=b' }, 415],
    ['a charset is fine', { headers: { ...JSON_HEADERS, 'content-type': 'application/json; charset=utf-8' }, body: initialize }, 200],
    ['half an Accept is 406', { headers: { ...JSON_HEADERS, accept: 'application/json' }, body: initialize }, 406],
    ['an unknown id is 404', { headers: { ...JSON_HEADERS, 'mcp-session-id': 'no-such' }, body: initialize }, 404],
    ['no id and not initialize is 400', { headers: JSON_HEADERS, body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' }, 400],
    ['an unknown method is 404', modernRequest('litestream/drop'), 404],
  ];
  for (const [what, request, status] of cases) {
    test(what, async () => {
      const { address } = await start();
      const answer = await send(address, request);
      expect(answer.status).toBe(status);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
      if (status >= 400) expect(() => JSON.parse(answer.text)).not.toThrow();
    });
  }
  test('an unknown tool is a protocol error, not a tool error', async () => {
    const { address } = await start();
    const answer = await send(address, modernRequest('tools/call', { name: 'litestream_drop' }));
    expect(JSON.parse(answer.text).error).toMatchObject({ code: -32_602 });
  });
  test('the SSE doors close with mcp.sse false', async () => {
    const { address } = await start({ sse: false });
    expect((await send(address, { method: 'GET', path: '/sse' })).status).toBe(404);
    expect((await send(address, { path: '/messages?sessionId=1', headers: JSON_HEADERS, body: initialize })).status).toBe(404);
  });
});

describe('limits (T12)', () => {
  const call = modernRequest('tools/call', { name: 'litestream_version' });
  test('requests over the rate are answered 429 with Retry-After', async () => {
    const { address } = await start({}, { clock: new FakeClock(), limits: { ...DEFAULT_LIMITS, requests: { perMinute: 60, burst: 3 } } });
    const statuses = [];
    for (let n = 0; n < 4; n += 1) statuses.push((await send(address, call)).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    expect(Number((await send(address, call)).headers['retry-after'])).toBeGreaterThan(0);
  });
  test('calls over the rate get an error that the model can act on', async () => {
    const { address } = await start({}, { clock: new FakeClock(), limits: { ...DEFAULT_LIMITS, calls: { perMinute: 1, burst: 1 } } });
    await send(address, call);
    const { result } = JSON.parse((await send(address, call)).text);
    expect(result.isError).toBe(true);
    expect(JSON.parse(result.content[0].text).error).toMatchObject({
      code: 'RATE_LIMITED',
      retryable: true,
      details: { retry_after_seconds: 60 },
    });
  });
});

test('the read-only header tightens one request and cannot loosen', async () => {
  const control = fakeControl();
  const listener = await startMCPHTTP(mcpSettings({ readOnly: false }), control, door);
  closers.push(() => listener.close());
  const call = modernRequest('tools/call', { name: 'litestream_info' });
  for (const value of [undefined, 'true', 'false']) {
    await send(listener.address, { ...call, headers: { ...call.headers, 'x-litestream-read-only': value } });
  }
  expect(control.seen.map(({ call: { caller } }) => caller.readOnly)).toEqual([false, true, false]);
  const locked = fakeControl();
  const second = await startMCPHTTP(mcpSettings({ readOnly: true }), locked, door);
  closers.push(() => second.close());
  await send(second.address, { ...call, headers: { ...call.headers, 'x-litestream-read-only': 'false' } });
  expect(locked.seen[0]?.call.caller.readOnly).toBe(true);
});

test('closing refuses what is new, ends streams and frees the port', async () => {
  const listener = await startMCPHTTP(mcpSettings(), fakeControl(), door);
  const stream = await fetch(`${listener.address}/sse`);
  const reader = stream.body?.getReader();
  await reader?.read();
  await listener.close();
  const ended = await reader?.read().then(
    (chunk) => chunk.done,
    () => true,
  );
  expect(ended).toBe(true);
  await expect(fetch(listener.address)).rejects.toThrow();
});
