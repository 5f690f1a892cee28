import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CARDS } from '../../src/mcp/registry.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';
import { LAUNCHER, prepare, type RunningDaemon, startDaemon } from './support/daemon.ts';

interface Entry {
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TOKEN = 'lsm_token-of-the-example-test';
const NAMES = CARDS.map((card) => card.name);

const { mcpServers } = JSON.parse(await readFile(join(ROOT, 'mcp.config.example.json'), 'utf8')) as { mcpServers: Record<string, Entry> };

let directory: TempDirectory;
let configPath: string;

beforeAll(async () => {
  directory = await tempDirectory();
  configPath = await prepare(directory.path, ['token-scopes: [read, restore]']);
});
afterAll(() => directory.remove());

function entry(name: string): Entry {
  const found = mcpServers[name];
  if (found === undefined) throw new Error(`the example has no entry ${name}`);
  return found;
}

/** What a person does with the example: puts in the paths, the token and the port. */
function filledIn(found: Entry, address = ''): Entry {
  const text = JSON.stringify(found)
    .replaceAll('/PATH/TO/litestream-mcp/src/launcher/litestream', LAUNCHER)
    .replaceAll('/PATH/TO/litestream-mcp/litestream.yml', configPath)
    .replaceAll('http://127.0.0.1:3001', address)
    .replaceAll('YOUR_TOKEN', TOKEN);
  return JSON.parse(text);
}

async function connectStdio({ command = '', args = [], env = {} }: Entry): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  const path = process.env.PATH ?? '';
  await client.connect(
    new StdioClientTransport({ command, args: [...args], env: { PATH: path, ...env }, cwd: directory.path, stderr: 'ignore' }),
  );
  return client;
}

test('the stdio entry starts and lists without a daemon', async () => {
  const client = await connectStdio(filledIn(entry('litestream')));
  try {
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(NAMES);
    const answer = await client.callTool({ name: 'litestream_info' });
    expect(answer.structuredContent).toMatchObject({ server: { attached: 'offline' }, caller: { scopes: ['read'] } });
  } finally {
    await client.close();
  }
}, 150_000);

describe('with a daemon', () => {
  let daemon: RunningDaemon;
  beforeAll(async () => {
    daemon = await startDaemon(configPath, { LITESTREAM_MCP_TOKEN: TOKEN });
  }, 150_000);
  afterAll(() => daemon.stop());

  test('the stdio entry with a token attaches and has the rights of the token', async () => {
    const client = await connectStdio(filledIn(entry('litestream-with-token')));
    try {
      const answer = await client.callTool({ name: 'litestream_info' });
      expect(answer.structuredContent).toMatchObject({
        server: { attached: 'daemon' },
        caller: { name: 'token', scopes: ['read', 'restore'] },
      });
    } finally {
      await client.close();
    }
  }, 150_000);

  test('the HTTP entry connects with its header', async () => {
    const { url = '', headers = {} } = filledIn(entry('litestream-http'), daemon.address);
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
    try {
      expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(NAMES);
      expect((await client.callTool({ name: 'litestream_info' })).structuredContent).toMatchObject({ caller: { name: 'token' } });
    } finally {
      await client.close();
    }
  });

  test('the bridge, which is fetched from the network, names the same endpoint and header', () => {
    const bridge = filledIn(entry('litestream-http-bridge'), daemon.address);
    const http = filledIn(entry('litestream-http'), daemon.address);
    expect(bridge.command).toBe('npx');
    expect(bridge.args).toContain(http.url);
    expect(bridge.args?.at(-1)?.replace(/\$\{(\w+)\}/, (_, name) => bridge.env?.[name] ?? '')).toBe(
      `Authorization:${http.headers?.Authorization}`,
    );
  });
});
