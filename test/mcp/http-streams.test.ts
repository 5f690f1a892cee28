import { afterEach, describe, expect, test } from 'vitest';
import { type MCPListener, startMCPHTTP } from '../../src/mcp/http.ts';
import type { MCPObserver } from '../../src/mcp/observer.ts';
import { until } from '../support/fake-clock.ts';
import { type FakeControlOptions, fakeControl, type Handler } from './support/fake-control.ts';
import { initialize, JSON_HEADERS, modernRequest, send } from './support/raw-http.ts';
import { SAMPLES } from './support/samples.ts';
import { door, mcpSettings } from './support/settings.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const counts = new Map<string, number>();
const observer: MCPObserver = { called: () => {}, refused: () => {}, connections: (kind, count) => void counts.set(kind, count) };

async function start(control: FakeControlOptions = {}): Promise<MCPListener> {
  const listener = await startMCPHTTP(mcpSettings(), fakeControl(control), { ...door, observer });
  closers.push(() => listener.close());
  return listener;
}

const listenBody = modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } });

async function listen(address: string): Promise<{ status: number; readUntil(text: string): Promise<string>; abort(): void }> {
  const controller = new AbortController();
  closers.push(async () => controller.abort());
  const response = await fetch(`${address}/mcp`, { method: 'POST', ...listenBody, signal: controller.signal });
  const reader = response.body?.getReader();
  let seen = '';
  return {
    status: response.status,
    abort: () => controller.abort(),
    readUntil: async (text) => {
      while (!seen.includes(text)) {
        const chunk = await reader?.read();
        if (chunk === undefined || chunk.done) break;
        seen += new TextDecoder().decode(chunk.value);
      }
      return seen;
    },
  };
}

describe('a listening stream', () => {
  test('is acknowledged first and ended by an ordinary result when the server stops', async () => {
    const { address, close } = await start();
    const stream = await listen(address);
    expect(await stream.readUntil('acknowledged')).toContain('notifications/subscriptions/acknowledged');
    await close();
    expect(await stream.readUntil('"result"')).toContain('"result"');
  });
  test('is one of at most eight of a caller, and a closed one makes room', async () => {
    const { address } = await start();
    const streams = [];
    for (let n = 0; n < 8; n += 1) streams.push(await listen(address));
    expect((await send(address, listenBody)).status).toBe(429);
    expect(counts.get('listen')).toBe(8);
    streams[0]?.abort();
    await until(() => counts.get('listen') === 7, 'the closed stream is counted out');
    expect((await listen(address)).status).toBe(200);
  });
});

test('closing the response of a call cancels its work, in the current revision', async () => {
  let reason: unknown;
  let running = false;
  const verify: Handler = (_input, { signal }) =>
    new Promise((_resolve, reject) => {
      running = true;
      signal.addEventListener('abort', () => {
        reason = signal.reason;
        reject(signal.reason);
      });
    });
  const { address } = await start({ handlers: { verify } });
  const controller = new AbortController();
  const call = fetch(`${address}/mcp`, {
    method: 'POST',
    ...modernRequest('tools/call', { name: 'litestream_verify', arguments: {} }),
    signal: controller.signal,
  });
  await until(() => running, 'the verb runs');
  controller.abort();
  await expect(call).rejects.toThrow();
  await until(() => reason !== undefined, 'the verb is told');
  expect(reason).toMatchObject({ code: 'CANCELLED' });
});

test('a call in flight is finished before the server stops', async () => {
  let finish: (() => void) | undefined;
  const version: Handler = () =>
    new Promise((resolve) => {
      finish = () => resolve(SAMPLES.version);
    });
  const { address, close } = await start({ handlers: { version } });
  const call = send(address, modernRequest('tools/call', { name: 'litestream_version', arguments: {} }));
  await until(() => finish !== undefined, 'the verb runs');
  const closed = close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await send(address, modernRequest('tools/list'))).status).toBe(503);
  finish?.();
  expect((await call).status).toBe(200);
  await closed;
});

test('of too many connections of older revisions the one idle longest goes', async () => {
  const { address } = await start();
  const open = async () => String((await send(address, { headers: JSON_HEADERS, body: initialize })).headers['mcp-session-id']);
  const list = (id: string) =>
    send(address, { headers: { ...JSON_HEADERS, 'mcp-session-id': id }, body: '{"jsonrpc":"2.0","id":2,"method":"tools/list"}' });
  const first = await open();
  const second = await open();
  for (let n = 2; n < 64; n += 1) await open();
  expect((await list(first)).status).toBe(200);
  await open();
  expect((await list(first)).status).toBe(200);
  expect((await list(second)).status).toBe(404);
  expect(counts.get('streamable')).toBe(64);
});
