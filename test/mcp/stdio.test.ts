import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldStdioTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterEach, describe, expect, test } from 'vitest';
import { CARDS } from '../../src/mcp/registry.ts';
import { until } from '../support/fake-clock.ts';
import { initialize } from './support/raw-http.ts';

const ENTRY = fileURLToPath(new URL('support/stdio-entry.ts', import.meta.url));
const NAMES = CARDS.map((card) => card.name);
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const command = (...args: string[]) => ({ command: process.execPath, args: [ENTRY, ...args], stderr: 'ignore' as const });

describe('clients over stdio', () => {
  for (const mode of ['legacy', 'auto'] as const) {
    test(`the new client lists and calls (${mode})`, async () => {
      const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
      await client.connect(new StdioClientTransport(command()));
      closers.push(() => client.close());
      expect(client.getNegotiatedProtocolVersion()).toBe(mode === 'auto' ? '2026-07-28' : '2025-11-25');
      expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(NAMES);
      expect((await client.callTool({ name: 'litestream_databases' })).structuredContent).toMatchObject({ page: { returned: 1 } });
      expect(client.getInstructions()).toContain('stdio:tester');
    });
  }

  test('the old client lists and calls', async () => {
    const client = new OldClient({ name: 'old', version: '1' });
    await client.connect(new OldStdioTransport(command()));
    closers.push(() => client.close());
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(NAMES);
    expect((await client.callTool({ name: 'litestream_info' })).isError).toBeFalsy();
  });

  test('offline, a live tool answers DAEMON_NOT_RUNNING with the starting command', async () => {
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new StdioClientTransport(command('offline')));
    closers.push(() => client.close());
    const answer = await client.callTool({ name: 'litestream_status' });
    const { error } = JSON.parse((answer.content as { text: string }[])[0]?.text ?? '');
    expect(error).toMatchObject({ code: 'DAEMON_NOT_RUNNING', fix: expect.stringContaining('litestream replicate') });
    expect((await client.callTool({ name: 'litestream_points' })).isError).toBeFalsy();
    expect(client.getInstructions()).toContain('No daemon is attached');
  });
});

describe('the process', () => {
  function start(): { child: ChildProcessWithoutNullStreams; stdout: () => string } {
    const child = spawn(process.execPath, [ENTRY], { stdio: 'pipe' });
    closers.push(async () => void child.kill('SIGKILL'));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    child.stderr.resume();
    return { child, stdout: () => text };
  }

  test('writes protocol lines only, answers what was asked before stdin ended, and exits 0', async () => {
    const { child, stdout } = start();
    const call = (id: number, name: string) =>
      JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: {} } });
    const lines = [
      initialize,
      '{"jsonrpc":"2.0","method":"notifications/initialized"}',
      call(2, 'litestream_version'),
      call(3, 'litestream_info'),
    ];
    child.stdin.end(`${lines.join('\n')}\n`);
    const [code] = await once(child, 'close', { signal: AbortSignal.timeout(60_000) });
    expect(code).toBe(0);
    const messages = stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(messages.map((message) => message.id).sort()).toEqual([1, 2, 3]);
  });

  test('exits at the end of stdin when nothing was asked', async () => {
    const { child } = start();
    child.stdin.end();
    const [code] = await once(child, 'close', { signal: AbortSignal.timeout(60_000) });
    expect(code).toBe(0);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`answers what runs and exits 0 on ${signal}`, async () => {
      const { child, stdout } = start();
      const call = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'litestream_version', arguments: {} } });
      child.stdin.write(`${initialize}\n${call}\n`);
      await until(() => stdout().includes('"id":1'), 'it serves');
      child.kill(signal);
      const [code] = await once(child, 'close', { signal: AbortSignal.timeout(60_000) });
      expect(code).toBe(0);
      expect(stdout()).toContain('"id":2');
    });
  }
});
