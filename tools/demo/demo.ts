/**
 * `npm run demo`: replicates a database that another process writes, kills both, restores three recorded moments and the newest state,
 * compares each with what was recorded, and asks the MCP server about it. Exits 1 if anything differs.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { kill, litestream, startLitestream } from '../processes.ts';

interface Totals {
  readonly orders: number;
  readonly cents: number;
}

interface Moment extends Totals {
  readonly at: string;
}

const started = performance.now();
const say = (text: string): void => console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s  ${text}`);
const euro = ({ orders, cents }: Totals): string => `${orders} orders, ${(cents / 100).toFixed(2)} in all`;

class Difference extends Error {}

const directory = mkdtempSync(join(tmpdir(), 'litestream-demo-'));
const children: ChildProcess[] = [];
try {
  await demo();
  say('everything equal; the demo passed');
} catch (error) {
  say(error instanceof Difference ? `DIFFERENT: ${error.message}` : `FAILED: ${error instanceof Error ? error.stack : String(error)}`);
  process.exitCode = 1;
} finally {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) await kill(child);
  rmSync(directory, { recursive: true, force: true });
}

async function demo(): Promise<void> {
  const port = await freePort();
  writeConfig(port);
  say(`working in ${directory}`);

  const writer = startWriter();
  const first = await startDaemon();
  say('a writer process takes orders, litestream replicates them');
  const moments = [await record(writer), await record(writer), await record(writer)];

  let last: Totals = { orders: 0, cents: 0 };
  writer.on('message', (totals: Totals) => {
    last = totals;
  });
  await sleep(400);
  await Promise.all([kill(writer), kill(first)]);
  say(`killed the writer and litestream with SIGKILL in the middle of writing; the writer's last word was ${euro(last)}`);

  await run('replicate', '-once', '-config', 'litestream.yml');
  say('litestream replicate -once: what was still in the WAL is now in the replica');

  for (const [index, moment] of moments.entries()) {
    const output = `moment-${index + 1}.db`;
    await run('restore', '-config', 'litestream.yml', '-timestamp', moment.at, '-o', output, '-integrity-check', 'full', 'app.db');
    compare(`moment ${index + 1} (${moment.at})`, moment, totalsOf(join(directory, output)));
  }
  await run('restore', '-config', 'litestream.yml', '-o', 'latest.db', '-integrity-check', 'full', 'app.db');
  const source = totalsOf(join(directory, 'app.db'));
  if (source.orders < last.orders) throw new Difference(`the source lost orders it had confirmed: ${euro(source)}`);
  compare('latest', source, totalsOf(join(directory, 'latest.db')));

  const second = await startDaemon();
  await askMCP(port);
  await kill(second, 'SIGINT');
}

function writeConfig(port: number): void {
  writeFileSync(
    join(directory, 'litestream.yml'),
    `mcp-addr: 127.0.0.1:${port}\ndbs:\n  - path: ./app.db\n    replica:\n      type: file\n      path: ./replica\n      sync-interval: 50ms\n`,
  );
}

function startWriter(): ChildProcess {
  const child = fork(fileURLToPath(new URL('./writer.ts', import.meta.url)), [join(directory, 'app.db')], { execPath: process.execPath });
  children.push(child);
  return child;
}

async function startDaemon(): Promise<ChildProcess> {
  const { child, output } = startLitestream(directory, 'replicate', '-config', 'litestream.yml');
  children.push(child);
  for (let i = 0; i < 100; i++) {
    if (child.exitCode !== null) throw new Error(`litestream replicate ended with ${child.exitCode}:\n${output()}`);
    const status = await litestream(directory, 'status', '-json', '-config', 'litestream.yml', 'app.db');
    if (status.stdout.includes('"state": "replicating"')) return child;
    await sleep(50);
  }
  throw new Error(`litestream replicate did not get ready:\n${output()}`);
}

/** Lets the writer pause until its last commit is captured, and notes the time and what it had written. */
async function record(writer: ChildProcess): Promise<Moment> {
  writer.send('resume');
  await sleep(500);
  const paused = new Promise<Totals>((resolve) => {
    const listen = (message: Totals & { kind: string }): void => {
      if (message.kind !== 'paused') return;
      writer.off('message', listen);
      resolve({ orders: message.orders, cents: message.cents });
    };
    writer.on('message', listen);
  });
  writer.send('pause');
  const totals = await paused;
  await run('sync', '-wait', '-config', 'litestream.yml', 'app.db');
  await sleep(2);
  const moment = { ...totals, at: new Date().toISOString() };
  say(`recorded ${moment.at}: ${euro(moment)}`);
  await sleep(2);
  writer.send('resume');
  return moment;
}

async function run(...args: string[]): Promise<void> {
  const { status, stdout, stderr } = await litestream(directory, ...args);
  if (status !== 0) throw new Error(`litestream ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
}

function totalsOf(path: string): Totals {
  const db = new Database(path, { readonly: true });
  try {
    return (
      db.prepare<[], Totals>('SELECT count(*) AS orders, coalesce(sum(cents), 0) AS cents FROM orders').get() ?? { orders: 0, cents: 0 }
    );
  } finally {
    db.close();
  }
}

function compare(what: string, recorded: Totals, restored: Totals): void {
  if (recorded.orders !== restored.orders || recorded.cents !== restored.cents) {
    throw new Difference(`${what}: recorded ${euro(recorded)}, restored ${euro(restored)}`);
  }
  say(`restored ${what}: ${euro(restored)}, equal`);
}

async function askMCP(port: number): Promise<void> {
  const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
  const client = new Client({ name: 'demo', version: '1.0.0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`)));
  for (const name of ['litestream_info', 'litestream_points', 'litestream_restore_plan']) {
    const answer = await client.callTool({ name, arguments: name === 'litestream_info' ? {} : { path: 'app' } });
    const summary = (answer.structuredContent as { summary?: string } | undefined)?.summary;
    if (answer.isError || summary === undefined) throw new Error(`${name} answered ${JSON.stringify(answer.content)}`);
    say(`MCP ${name}: ${summary}`);
  }
  await client.close();
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
