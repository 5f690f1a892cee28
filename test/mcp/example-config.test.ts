import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CARDS } from '../../src/mcp/registry.ts';
import { until } from '../support/fake-clock.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';
import { runScript } from './support/peer-process.ts';

interface Entry {
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAKE_DATABASE = fileURLToPath(new URL('support/make-database.ts', import.meta.url));
const LAUNCHER = join(ROOT, 'src/launcher/litestream');
const TOKEN = 'lsm_token-of-the-example-test';
const NAMES = CARDS.map((card) => card.name);

const { mcpServers } = JSON.parse(await readFile(join(ROOT, 'mcp.config.example.json'), 'utf8')) as { mcpServers: Record<string, Entry> };

let directory: TempDirectory;
let configPath: string;

beforeAll(async () => {
  directory = await tempDirectory();
  configPath = join(directory.path, 'litestream.yml');
  const lines = [
    'mcp-addr: 127.0.0.1:0',
    `mcp: { restore-dirs: [${directory.path}/restored], token-scopes: [read, restore] }`,
    `dbs: [{ path: ${directory.path}/app.db, replica: { type: file, path: ${directory.path}/backup } }]`,
  ];
  await writeFile(configPath, `${lines.join('\n')}\n`);
  const made = await runScript(MAKE_DATABASE, [join(directory.path, 'app.db')]);
  expect(made.code, made.stderr).toBe(0);
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

/** Starts the daemon as a person would and reads from its start-up block where MCP is served. */
async function startDaemon(): Promise<{ readonly child: ChildProcess; readonly address: string }> {
  const child = spawn(LAUNCHER, ['replicate', '-config', configPath], {
    env: { ...process.env, LITESTREAM_MCP_TOKEN: TOKEN },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const address = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      text += chunk;
      const found = /(http:\/\/127\.0\.0\.1:\d+)\/mcp/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('close', () => reject(new Error(`the daemon ended: ${text}`)));
  });
  return { child, address };
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
}, 60_000);

describe('with a daemon', () => {
  let daemon: Awaited<ReturnType<typeof startDaemon>>;
  beforeAll(async () => {
    daemon = await startDaemon();
    // A daemon is found through the databases it owns, and it owns none until it has opened one.
    await until(() => existsSync(join(directory.path, '.app.db-litestream/owner.json')), 'the daemon owns the database', 20_000);
  }, 60_000);
  afterAll(async () => {
    const closed = once(daemon.child, 'close');
    daemon.child.kill('SIGTERM');
    await closed;
  });

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
  }, 60_000);

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
