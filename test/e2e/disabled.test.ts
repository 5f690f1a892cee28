/** One database of three has half credentials: the others are replicated, and every door says which one is not and why. */

import { readdirSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { interrupt, POLL, Scene, said } from './scene.ts';

const KEY = 'AKIA0HALFOFAPAIR0000';
const WHY = 'dbs[1].replica.access-key-id: without secret-access-key this is half of a pair';
const HALF = `{type: s3, bucket: b, endpoint: "http://127.0.0.1:1", access-key-id: ${KEY}}`;

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

function configure(second: string): void {
  const entry = (name: string, replica: string) => `  - {path: ${name}.db, replica: ${replica}}\n`;
  const file = (name: string) => `{path: replicas/${name}, sync-interval: 50ms}`;
  const listeners = 'addr: 127.0.0.1:0\nmcp-addr: 127.0.0.1:0\n';
  scene.write('litestream.yml', `${listeners}dbs:\n${entry('app', file('app'))}${entry('blog', second)}${entry('shop', file('shop'))}`);
}

const addressIn = (output: string, what: string): string => new RegExp(`${what} +(http:\\S+)`).exec(output)?.[1] ?? '';

test('the others are replicated, it is disabled everywhere, and replicated once the configuration is mended', async () => {
  for (const name of ['app.db', 'blog.db', 'shop.db']) scene.insert('one', name);
  configure(HALF);
  const daemon = await scene.daemon();
  await said(daemon, 'next');
  for (const name of ['app.db', 'shop.db']) await scene.ok('sync', '-wait', name);
  expect(daemon.output()).toMatch(new RegExp(`Warning: .*${WHY.replace(/[[\]]/g, '\\$&')}`));
  expect(daemon.output()).toMatch(/level=ERROR msg="the database is disabled" db=\S+blog\.db code=CONFIG_INVALID/);
  expect(daemon.output()).toMatch(/disabled +blog +\S+blog\.db: /);

  const states = ['replicating', 'disabled', 'replicating'];
  const status = (await scene.json('status')) as { name: string; state: string; code?: string }[];
  expect(status.toSorted((a, b) => a.name.localeCompare(b.name)).map(({ state }) => state)).toEqual(states);
  expect((await scene.with('status')).stderr).toContain(WHY);
  expect(await scene.json('databases')).toContainEqual(
    expect.objectContaining({ name: 'blog', state: 'disabled', code: 'CONFIG_INVALID', message: expect.stringContaining(WHY) }),
  );

  const metrics = addressIn(daemon.output(), 'metrics');
  const series = (await (await fetch(metrics)).text())
    .split('\n')
    .filter((line) => line.startsWith('litestream_db_state{') && line.endsWith(' 1'));
  const shown = series.map((line) => /db="[^"]*\/(\w+)\.db",state="(\w+)"/.exec(line)?.slice(1).join(' ')).toSorted();
  expect(shown).toEqual(['app replicating', 'blog disabled', 'shop replicating']);
  const health = await fetch(metrics.replace('/metrics', '/healthz'));
  expect(health.status).toBe(503);
  expect(await health.json()).toMatchObject({
    status: 'failing',
    databases: expect.arrayContaining([{ name: 'blog', state: 'disabled', code: 'CONFIG_INVALID', replicas: [] }]),
  });
  expect((await fetch(metrics.replace('/metrics', '/readyz'))).status).toBe(200);

  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new StreamableHTTPClientTransport(new URL(addressIn(daemon.output(), 'mcp').replace(/,$/, ''))));
  try {
    const tell = async (name: string, args = {}) => client.callTool({ name: `litestream_${name}`, arguments: args });
    const [info, databases, generations] = [await tell('info'), await tell('databases'), await tell('generations', { path: 'blog' })];
    expect(info.structuredContent).toMatchObject({
      databases: { total: 3, replicating: 2, disabled: 1 },
      worst: [{ database: 'blog', state: 'disabled', code: 'CONFIG_INVALID', message: expect.stringContaining(WHY) }],
    });
    expect(databases.structuredContent).toMatchObject({
      databases: expect.arrayContaining([
        expect.objectContaining({ name: 'blog', state: 'disabled', message: expect.stringContaining(WHY), hint: expect.any(String) }),
      ]),
    });
    expect(generations.isError).toBe(true);
    expect(JSON.stringify(generations)).toContain('database blog is disabled');
    expect(JSON.stringify([info, databases, generations])).not.toContain(KEY);
  } finally {
    await client.close();
  }

  const restored = await scene.with('restore', '-o', 'copy.db', 'blog.db');
  expect(restored).toMatchObject({ status: 3, stderr: expect.stringContaining('database blog is disabled') });
  expect(`${daemon.output()}${restored.stderr}${JSON.stringify(status)}`).not.toContain(KEY);
  expect(await interrupt(daemon)).toBe(0);

  configure('{path: replicas/blog, sync-interval: 50ms}');
  const mended = await scene.daemon();
  await scene.ok('sync', '-wait', 'blog.db');
  const healthy = addressIn(mended.output(), 'metrics').replace('/metrics', '/healthz');
  // The others may still be opening.
  const health3 = async () => (await fetch(healthy)).json();
  await expect.poll(health3, POLL).toMatchObject({ status: 'ok', databases: [...Array(3)].map(() => ({ state: 'replicating' })) });
  await scene.ok('restore', '-o', 'copy.db', 'blog.db');
  expect(scene.bodies('copy.db')).toEqual(['one']);
});

test('its file is no member of a directory around it; a store that refuses its settings disables its database as well', async () => {
  for (const name of ['special.db', 'other.db', 'third.db']) scene.insert('one', name);
  const directory = '  - {dir: ., pattern: "*.db", watch: true, replica: {path: members, sync-interval: 50ms}}\n';
  const named = (name: string, replica: string) => `  - {path: ${name}.db, replica: ${replica}}\n`;
  const refused = named('third', '{type: oss, bucket: No_Bucket, access-key-id: i, secret-access-key: s}');
  scene.write('litestream.yml', `dbs:\n${directory}${named('special', '{type: s3}')}${refused}`);
  const daemon = await scene.daemon();
  await scene.replicates('other.db');
  const states = async () => {
    const rows = (await scene.json('databases')) as { name: string; state: string }[];
    return rows.map(({ name, state }) => `${name} ${state}`).toSorted();
  };
  expect(await states()).toEqual(['other replicating', 'special disabled', 'third disabled']);
  scene.insert('two', 'special.db');
  scene.insert('one', 'late.db');
  await expect.poll(states, POLL).toContain('late replicating');
  expect(await states()).toHaveLength(4);
  for (const name of ['late.db', 'other.db']) await scene.ok('sync', '-wait', name);
  expect(readdirSync(scene.at('members')).toSorted()).toEqual(['late.db', 'other.db']);
  expect((await scene.with('sync', 'third.db')).stderr).toContain('"No_Bucket" cannot be the name of an OSS bucket');
  expect(await interrupt(daemon)).toBe(0);
  expect((await scene.with('replicate', '-strict')).status).toBe(3);
});

test('a shell without the variables of the daemon sees what the daemon sees', async () => {
  scene.insert('one');
  scene.write('litestream.yml', 'dbs:\n  - {path: app.db, replica: {path: $LITESTREAM_TEST_PLACE/app, sync-interval: 50ms}}\n');
  process.env.LITESTREAM_TEST_PLACE = scene.at('place');
  try {
    await scene.daemon();
  } finally {
    delete process.env.LITESTREAM_TEST_PLACE;
  }
  await scene.replicates();
  const { status, stderr } = await scene.with('replicate', '-once');
  expect(status).toBe(3);
  expect(stderr).toContain('$LITESTREAM_TEST_PLACE is not set');
});
