/** The MCP server of a real daemon, over HTTP and stdio: what a model may do, and what it may not. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { interrupt, Scene, said } from './scene.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const TOKEN = 'a-token-that-is-long-enough-to-be-one';

let scene: Scene;
const clients: Client[] = [];

beforeEach(() => {
  scene = new Scene();
  mkdirSync(scene.at('restored'));
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close().catch(() => {});
  await scene.end();
});

const mcp = (readOnly: boolean): string =>
  `mcp-addr: 127.0.0.1:0\nmcp:\n  read-only: ${readOnly}\n  token: ${TOKEN}\n  token-scopes: [read, restore]\n  restore-dirs: [./restored]\n`;

/** A daemon with two commits at the replica; returns its MCP address. */
async function running(readOnly = false) {
  scene.config(mcp(readOnly));
  scene.insert('one');
  const daemon = await scene.daemon();
  await scene.replicates();
  scene.insert('two');
  await scene.ok('sync', '-wait', 'app.db');
  await said(daemon, '/mcp');
  return { daemon, address: /mcp +(http:\S+\/mcp)/.exec(daemon.output())?.[1] ?? '' };
}

async function overHTTP(address: string, token = TOKEN): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(address), { requestInit: { headers: { authorization: `Bearer ${token}` } } }),
  );
  clients.push(client);
  return client;
}

async function overStdio(env: Record<string, string> = {}, config = 'litestream.yml'): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [MAIN, 'mcp', '-config', config, '-read-only=false', '-scopes', 'read,restore'],
      cwd: scene.directory,
      stderr: 'ignore',
      env: { PATH: process.env.PATH ?? '', ...env },
    }),
  );
  clients.push(client);
  return client;
}

type Result = Awaited<ReturnType<Client['callTool']>>;

async function call(client: Client, name: string, args: Record<string, unknown> = {}): Promise<Result> {
  return client.callTool({ name: `litestream_${name}`, arguments: args });
}

/** A restore goes on as a job when it takes long. */
async function execute(client: Client, planId: string): Promise<Result> {
  const first = await call(client, 'restore', { plan_id: planId, wait_seconds: 20 });
  const { job_id: id } = (first.structuredContent ?? {}) as { job_id?: string };
  if (id === undefined) return first;
  for (;;) {
    const answer = await call(client, 'job', { job_id: id, wait_seconds: 20 });
    const { job } = (answer.structuredContent ?? {}) as { job?: { state: string } };
    if (job?.state !== 'queued' && job?.state !== 'running') return answer;
  }
}

async function planned(client: Client, output: string): Promise<string> {
  const answer = await call(client, 'restore_plan', { path: 'app', output });
  expect(answer.isError, JSON.stringify(answer.content)).toBeFalsy();
  const { plan } = answer.structuredContent as { plan: { plan_id: string; output: string } };
  return plan.plan_id;
}

const text = ({ content }: Result): string => JSON.stringify(content);

/** The tool has answered with an error that says what to do next. */
function refused(answer: Result, code: string): void {
  expect(answer.isError, text(answer)).toBe(true);
  expect(text(answer)).toContain(code);
}

const digest = (name: string): string =>
  createHash('sha256')
    .update(readFileSync(scene.at(name)))
    .digest('hex');

async function restoreOnce(client: Client, name: string): Promise<void> {
  const plan = await planned(client, scene.at('restored', name));
  expect(existsSync(scene.at('restored', name))).toBe(false);
  const done = await execute(client, plan);
  expect(done.isError, text(done)).toBeFalsy();
  expect(scene.bodies(`restored/${name}`)).toEqual(['one', 'two']);
  refused(await call(client, 'restore', { plan_id: plan }), 'PLAN_USED');
}

test('over HTTP: a plan is carried out once, into an allowed directory only', async () => {
  const { daemon, address } = await running();
  const client = await overHTTP(address);
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain('litestream_restore');
  await restoreOnce(client, 'copy.db');
  expect(await scene.ok('restore', '-o', 'plain.db', 'app.db')).toContain('plain.db');
  expect(scene.bodies('plain.db')).toEqual(scene.bodies('restored/copy.db'));

  // An existing file, the live database, and places outside are refused when planning already.
  const before = digest('restored/copy.db');
  for (const [output, code] of [
    [scene.at('restored', 'copy.db'), 'OUTPUT_EXISTS'],
    [scene.at('app.db'), 'OUTPUT_NOT_ALLOWED'],
    [scene.at('elsewhere.db'), 'OUTPUT_NOT_ALLOWED'],
    [scene.at('restored', '..', 'elsewhere.db'), 'OUTPUT_NOT_ALLOWED'],
    ['/etc/elsewhere.db', 'OUTPUT_NOT_ALLOWED'],
  ] as const) {
    const answer = await call(client, 'restore_plan', { path: 'app', output });
    const allowed = (answer.structuredContent as { execute?: { allowed?: boolean } } | undefined)?.execute?.allowed;
    if (answer.isError) expect(text(answer)).toContain(code);
    else expect(allowed, `${output}: ${text(answer)}`).toBe(false);
  }
  expect(digest('restored/copy.db')).toBe(before);
  expect(existsSync(scene.at('elsewhere.db'))).toBe(false);

  refused(await call(client, 'restore', { plan_id: 'plan_made_up' }), 'PLAN_NOT_FOUND');
  // A scope that the token does not have.
  refused(
    await call(client, 'sync', { path: 'app' }).catch((error: Error) => ({
      isError: true,
      content: [{ type: 'text', text: `SCOPE_REQUIRED ${error.message}` }],
    })),
    'SCOPE_REQUIRED',
  );
  expect(await interrupt(daemon), daemon.output()).toBe(0);
  expect(daemon.output()).not.toContain(TOKEN);
});

test('over HTTP: without the token nobody gets in', async () => {
  const { address } = await running();
  await expect(overHTTP(address, 'another-token-of-the-same-length-000')).rejects.toThrow();
});

test('over HTTP: a read-only daemon answers questions and refuses restores', async () => {
  const { address } = await running(true);
  const client = await overHTTP(address);
  const status = await call(client, 'status', {});
  expect(status.structuredContent).toMatchObject({ databases: [{ name: 'app', state: 'replicating' }] });
  const plan = await call(client, 'restore_plan', { path: 'app', output: scene.at('restored', 'copy.db') });
  const { plan: shown } = plan.structuredContent as { plan?: { plan_id?: string } };
  const answer = await call(client, 'restore', { plan_id: shown?.plan_id ?? 'plan' }).catch((error: Error) => ({
    isError: true,
    content: [{ type: 'text' as const, text: error.message }],
  }));
  expect(answer.isError).toBe(true);
  expect(existsSync(scene.at('restored', 'copy.db'))).toBe(false);
});

test('over stdio beside a daemon: the same restore, by the same rules', async () => {
  const { daemon } = await running();
  const client = await overStdio({ LITESTREAM_MCP_TOKEN: TOKEN });
  const status = await call(client, 'status', {});
  expect(status.structuredContent).toMatchObject({ databases: [{ state: 'replicating' }] });
  await restoreOnce(client, 'stdio.db');
  const outside = await call(client, 'restore_plan', { path: 'app', output: scene.at('elsewhere.db') });
  if (!outside.isError) expect(outside.structuredContent).toMatchObject({ execute: { allowed: false } });
  await client.close();
  expect(await interrupt(daemon), daemon.output()).toBe(0);
});

test('over stdio beside a read-only daemon nothing is restored', async () => {
  await running(true);
  // Its own configuration would allow it: what counts is the daemon's.
  scene.write('stdio.yml', readFileSync(scene.at('litestream.yml'), 'utf8').replace('read-only: true', 'read-only: false'));
  const client = await overStdio({ LITESTREAM_MCP_TOKEN: TOKEN }, 'stdio.yml');
  const plan = await call(client, 'restore_plan', { path: 'app', output: scene.at('restored', 'copy.db') });
  const { plan: shown } = (plan.structuredContent ?? {}) as { plan?: { plan_id?: string } };
  const answer = await call(client, 'restore', { plan_id: shown?.plan_id ?? 'plan' }).catch((error: Error) => ({
    isError: true,
    content: [{ type: 'text' as const, text: error.message }],
  }));
  expect(answer.isError, text(answer)).toBe(true);
  expect(existsSync(scene.at('restored', 'copy.db'))).toBe(false);
});

test('over stdio without a daemon: what was replicated can be asked about and restored', async () => {
  const { daemon } = await running();
  expect(await interrupt(daemon), daemon.output()).toBe(0);
  const client = await overStdio();
  const points = await call(client, 'points', { path: 'app' });
  expect(points.isError, text(points)).toBeFalsy();
  await restoreOnce(client, 'offline.db');
});
