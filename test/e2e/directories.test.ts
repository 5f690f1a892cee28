/** A directory of databases under a real daemon: members come and go, and every command knows them. */

import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMany } from './many-databases.ts';
import { interrupt, POLL, Scene } from './scene.ts';

let scene: Scene;

beforeEach(() => {
  scene = new Scene();
  mkdirSync(scene.at('data', 'acme'), { recursive: true });
});

afterEach(() => scene.end());

function config(text = '', more = ''): void {
  scene.write(
    'litestream.yml',
    `${text}\ndbs:\n  - dir: data\n    pattern: "*.db"\n    recursive: true\n    watch: true\n${more}    replica:\n      path: replicas\n      sync-interval: 50ms\n`,
  );
}

interface Row {
  readonly name: string;
  readonly path: string;
  readonly state: string;
  readonly txid?: string;
}

/** States by name, as `litestream databases` has them. */
async function states(): Promise<Record<string, string>> {
  const databases = (await scene.json('databases')) as readonly Row[];
  return Object.fromEntries(databases.map(({ name, state }) => [name, state]));
}

const becomes = (wanted: Record<string, string>) => expect.poll(states, POLL).toEqual(wanted);

/** What the newest state of the replica of a member holds. */
async function restored(path: string): Promise<string[]> {
  const name = `restored-${Math.random().toString(36).slice(2)}.sqlite`;
  await scene.ok('restore', '-o', name, path);
  return scene.bodies(name);
}

test('members that are there are replicated, one that appears too, and every door knows it', async () => {
  config('addr: 127.0.0.1:0\nmcp-addr: 127.0.0.1:0');
  for (const name of ['one.db', 'my two.db', 'acme/data.db']) scene.insert(name, `data/${name}`);
  const daemon = await scene.daemon();
  const three = { one: 'replicating', 'my-two': 'replicating', 'acme-data': 'replicating' };
  await becomes(three);

  scene.insert('late', 'data/acme/late.db');
  await becomes({ ...three, 'acme-late': 'replicating' });
  for (const name of ['one.db', 'my two.db', 'acme/data.db', 'acme/late.db']) await scene.ok('sync', '-wait', `data/${name}`);
  expect(await scene.ok('status')).toMatch(/late\.db +ok /);
  for (const name of ['one.db', 'my two.db', 'acme/data.db']) expect(await restored(`data/${name}`), name).toEqual([name]);
  expect(await restored('data/acme/late.db')).toEqual(['late']);
  expect(scene.ltxFiles('replicas/my two.db'), 'a space is a space in a path').not.toEqual([]);

  const [, metrics = ''] = /metrics +(http:\S+)/.exec(daemon.output()) ?? [];
  expect(await (await fetch(metrics)).text()).toMatch(/^litestream_db_state\{db="[^"]+late\.db",state="replicating"[^}]*\} 1$/m);
  const health = (await (await fetch(metrics.replace('/metrics', '/healthz'))).json()) as { directories: readonly object[] };
  expect(health.directories).toEqual([{ dir: scene.at('data'), state: 'watching', members: 4 }]);
  const [, mcp = ''] = /mcp +(http:[^\s,]+)/.exec(daemon.output()) ?? [];
  expect(await callTool(mcp, 'litestream_databases')).toContain('acme-late');
  expect(await interrupt(daemon), daemon.output()).toBe(0);
});

test('a member that is renamed away or deleted is let go and can still be restored; one made anew continues its replica', async () => {
  config('addr: 127.0.0.1:0');
  for (const name of ['stays.db', 'moves.db', 'dies.db']) scene.insert(name, `data/${name}`);
  const daemon = await scene.daemon();
  await becomes({ stays: 'replicating', moves: 'replicating', dies: 'replicating' });
  for (const name of ['moves.db', 'dies.db']) await scene.ok('sync', '-wait', `data/${name}`);
  scene.closeDatabase('data/moves.db');
  renameSync(scene.at('data', 'moves.db'), scene.at('moved.sqlite'));
  scene.closeDatabase('data/dies.db');
  rmSync(scene.at('data', 'dies.db'));
  for (const side of ['-wal', '-shm']) rmSync(scene.at('data', `dies.db${side}`), { force: true });
  await becomes({ stays: 'replicating' });
  expect(await restored('data/moves.db')).toEqual(['moves.db']);
  expect(await restored('data/dies.db')).toEqual(['dies.db']);
  const [, metrics = ''] = /metrics +(http:\S+)/.exec(daemon.output()) ?? [];
  expect(await (await fetch(metrics)).text(), 'nothing is said about it any more').not.toContain('dies.db');

  scene.insert('born again', 'data/dies.db');
  await becomes({ stays: 'replicating', dies: 'replicating' });
  await scene.ok('sync', '-wait', 'data/dies.db');
  const files = scene.ltxFiles('replicas/dies.db');
  expect(files.length, 'the run goes on').toBeGreaterThan(1);
  expect(await restored('data/dies.db')).toEqual(['born again']);
  const before = `before-${files.length}.sqlite`;
  await scene.ok('restore', '-o', before, '-txid', files[0]?.slice(17, 33) ?? '', 'data/dies.db');
  expect(scene.bodies(before)).toEqual(['dies.db']);
  expect(await interrupt(daemon), daemon.output()).toBe(0);
});

test('a directory that does not exist yet is waited for, and the daemon is found meanwhile', async () => {
  rmSync(scene.at('data'), { recursive: true });
  config();
  const daemon = await scene.daemon();
  expect(await scene.ok('databases')).not.toContain('.db');
  mkdirSync(scene.at('data', 'deep', 'deeper'), { recursive: true });
  scene.insert('x', 'data/deep/deeper/a.db');
  await becomes({ 'deep-deeper-a': 'replicating' });
  // The daemon may be writing there.
  rmSync(scene.at('data', 'deep'), { recursive: true, maxRetries: 20 });
  scene.closeDatabase('data/deep/deeper/a.db');
  await becomes({});
  expect(await interrupt(daemon), daemon.output()).toBe(0);
});

test('a lost directory is restored from what its replicas hold, by hand and at the start', async () => {
  config();
  for (const name of ['one.db', 'acme/data.db']) scene.insert(name, `data/${name}`);
  await scene.ok('replicate', '-once');
  for (const name of ['one.db', 'acme/data.db']) scene.closeDatabase(`data/${name}`);
  rmSync(scene.at('data'), { recursive: true });
  expect(await scene.ok('restore')).toContain('acme/data.db');
  expect(scene.bodies('data/acme/data.db')).toEqual(['acme/data.db']);
  rmSync(scene.at('data'), { recursive: true });

  config('', '    restore-if-db-not-exists: true\n');
  const daemon = await scene.daemon();
  await becomes({ one: 'replicating', 'acme-data': 'replicating' });
  scene.insert('after', 'data/one.db');
  expect(await interrupt(daemon), daemon.output()).toBe(0);
  expect(await restored('data/one.db')).toEqual(['one.db', 'after']);
  // One of them is gone while another one is there: somebody wanted that.
  rmSync(scene.at('data', 'acme', 'data.db'));
  const again = await scene.daemon();
  await becomes({ one: 'replicating' });
  expect(await interrupt(again), again.output()).toBe(0);
});

test('forty databases that appear at once are all replicated', async () => {
  config();
  const daemon = await scene.daemon();
  const names = await createMany(scene, 40);
  await becomes(Object.fromEntries(names.map((name) => [name.replace('/', '-').replace('.db', ''), 'replicating'])));
  expect(await interrupt(daemon), daemon.output()).toBe(0);
  for (const name of names.slice(-2)) expect(await restored(`data/${name}`)).toEqual([name]);
});

test('without watch: an empty directory is an error, and a restore is possible all the same', async () => {
  scene.write('litestream.yml', 'dbs:\n  - dir: data\n    pattern: "*.db"\n    replica:\n      path: replicas\n');
  const { status, stderr } = await scene.with('replicate');
  expect(status, stderr).toBe(3);
  expect(stderr).toMatch(/litestream\.yml:2:\d+: dbs\[0\]\.dir: no database in \S+\/data matches "\*\.db"/);
  expect((await scene.with('config', 'check')).status).toBe(2);
  expect((await scene.run('config', 'check', '-config', 'litestream.yml')).status).toBe(3);
  scene.insert('x', 'data/a.db');
  await scene.ok('replicate', '-once');
  scene.closeDatabase('data/a.db');
  rmSync(scene.at('data'), { recursive: true });
  await scene.ok('restore');
  expect(scene.bodies('data/a.db')).toEqual(['x']);
});

async function callTool(url: string, name: string): Promise<string> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  try {
    return JSON.stringify(await client.callTool({ name, arguments: {} }));
  } finally {
    await client.close();
  }
}
