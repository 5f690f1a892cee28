import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CARDS } from '../../src/mcp/registry.ts';
import { absence, peerScript } from '../../tools/peers.ts';
import { type Ran, runScript, type Served, serve } from './support/peer-process.ts';

const script = peerScript('inspector');
if (script === undefined) console.log(`skipped: inspector: ${absence('inspector')}`);

const STDIO = fileURLToPath(new URL('support/stdio-entry.ts', import.meta.url));
const NAMES = CARDS.map((card) => card.name);
const TOKEN = 'lsm_inspector-token-value';
const LIST = ['--method', 'tools/list', '--format', 'json', '--strict'];
const callOf = (tool: string, args: object) => [
  '--method',
  'tools/call',
  '--tool-name',
  tool,
  '--tool-args-json',
  JSON.stringify(args),
  '--format',
  'json',
];

const inspect = (...args: string[]): Promise<Ran> => runScript(script ?? '', ['--cli', ...args]);
const namesIn = (ran: Ran) => JSON.parse(ran.stdout).result.tools.map((tool: { name: string }) => tool.name);

describe.skipIf(script === undefined)('the inspector, as a real client,', () => {
  let open: Served;
  let guarded: Served;
  beforeAll(async () => {
    open = await serve();
    guarded = await serve(TOKEN);
  });
  afterAll(async () => {
    await open.stop();
    await guarded.stop();
  });

  test('lists and calls over stdio', async () => {
    const target = ['--', process.execPath, STDIO];
    const listed = await inspect(...LIST, ...target);
    expect(listed.code, listed.stderr).toBe(0);
    expect(namesIn(listed)).toEqual(NAMES);
    const called = await inspect(...callOf('litestream_databases', {}), ...target);
    expect(called.code, called.stderr).toBe(0);
    expect(JSON.parse(called.stdout).result.structuredContent.page).toEqual({ returned: 1, total: 1 });
  }, 150_000);

  for (const era of ['modern', 'legacy', 'auto']) {
    test(`lists and calls over HTTP (${era})`, async () => {
      const target = [open.address, '--transport', 'http', '--protocol-era', era];
      const listed = await inspect(...target, ...LIST);
      expect(listed.code, listed.stderr).toBe(0);
      expect(namesIn(listed)).toEqual(NAMES);
      const called = await inspect(...target, ...callOf('litestream_points', { path: 'app', around: '-15m' }));
      expect(called.code, called.stderr).toBe(0);
      expect(JSON.parse(called.stdout).result.structuredContent.points).toHaveLength(1);
    }, 150_000);
  }

  test('lists over SSE', async () => {
    const listed = await inspect(open.address.replace(/mcp$/, 'sse'), '--transport', 'sse', '--method', 'tools/list', '--format', 'json');
    expect(listed.code, listed.stderr).toBe(0);
    expect(namesIn(listed)).toEqual(NAMES);
  }, 150_000);

  test('needs the token where there is one, and says so by its exit code', async () => {
    const target = [guarded.address, '--transport', 'http'];
    expect((await inspect(...target, ...LIST)).code).toBe(3);
    const listed = await inspect(...target, ...LIST, '--header', `Authorization: Bearer ${TOKEN}`);
    expect(listed.code, listed.stderr).toBe(0);
  }, 150_000);

  test('sees a tool error as one', async () => {
    const called = await inspect(open.address, '--transport', 'http', ...callOf('litestream_points', { config: '/etc/passwd' }));
    expect(called.code).toBe(5);
    expect(called.stdout).toContain('is not accepted');
  }, 150_000);
});
