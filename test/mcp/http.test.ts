import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport as OldSSETransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport as OldHTTPTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, describe, expect, test } from 'vitest';
import { Secret } from '../../src/base/secret.ts';
import { startMCPHTTP } from '../../src/mcp/http.ts';
import { CARDS } from '../../src/mcp/registry.ts';
import { type FakeControlOptions, fakeControl } from './support/fake-control.ts';
import { SAMPLES } from './support/samples.ts';
import { door, mcpSettings } from './support/settings.ts';

const NAMES = CARDS.map((card) => card.name);
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(settings = mcpSettings(), control: FakeControlOptions = {}): Promise<{ address: string }> {
  const listener = await startMCPHTTP(settings, fakeControl(control), door);
  closers.push(() => listener.close());
  return { address: `${listener.address}/mcp` };
}

async function connect(address: string, mode: 'legacy' | 'auto', headers: Record<string, string> = {}): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(address), { requestInit: { headers } }));
  closers.push(() => client.close());
  return client;
}

describe('the new client', () => {
  for (const mode of ['legacy', 'auto'] as const) {
    test(`lists and calls every tool (${mode})`, async () => {
      const { address } = await start();
      const client = await connect(address, mode);
      expect(client.getNegotiatedProtocolVersion()).toBe(mode === 'auto' ? '2026-07-28' : '2025-11-25');
      const { tools } = await client.listTools();
      expect(tools.map((tool) => tool.name)).toEqual(NAMES);
      const answer = await client.callTool({ name: 'litestream_info' });
      expect(answer.structuredContent).toMatchObject({ databases: SAMPLES.info.databases });
      expect(JSON.parse((answer.content as { text: string }[])[0]?.text ?? '')).toEqual(answer.structuredContent);
    });
  }

  test('is served at / as well, where the original answers', async () => {
    const { address } = await start();
    const client = await connect(address.replace(/mcp$/, ''), 'auto');
    expect((await client.listTools()).tools).toHaveLength(NAMES.length);
  });

  test('connects with its token', async () => {
    const { address } = await start(mcpSettings({ token: new Secret('s3cret-token-value') }));
    await expect(connect(address, 'auto')).rejects.toThrow();
    const client = await connect(address, 'auto', { authorization: 'Bearer s3cret-token-value' });
    expect((await client.callTool({ name: 'litestream_version' })).isError).toBeFalsy();
  });
});

describe('the old client', () => {
  test('lists and calls over Streamable HTTP', async () => {
    const { address } = await start();
    const client = new OldClient({ name: 'old', version: '1' });
    await client.connect(new OldHTTPTransport(new URL(address)) as never);
    closers.push(() => client.close());
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(NAMES);
    const answer = await client.callTool({ name: 'litestream_points', arguments: { path: 'app' } });
    expect(answer.structuredContent).toMatchObject({ points: SAMPLES.points.points });
  });

  test('lists and calls over SSE', async () => {
    const { address } = await start();
    const client = new OldClient({ name: 'old', version: '1' });
    await client.connect(new OldSSETransport(new URL(address.replace(/mcp$/, 'sse'))));
    closers.push(() => client.close());
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(NAMES);
    const answer = await client.callTool({ name: 'litestream_status' });
    expect(answer.structuredContent).toMatchObject({ databases: SAMPLES.status.databases });
  });

  test('gets errors without structured content, so that it does not reject them', async () => {
    const { address } = await start(mcpSettings(), {});
    const client = new OldClient({ name: 'old', version: '1' });
    await client.connect(new OldHTTPTransport(new URL(address)) as never);
    closers.push(() => client.close());
    await client.listTools();
    const answer = await client.callTool({ name: 'litestream_points', arguments: { limit: 0 } });
    expect(answer).toMatchObject({ isError: true });
    expect(answer.structuredContent).toBeUndefined();
  });
});
