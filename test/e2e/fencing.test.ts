/** Real daemons that meet at one replica or one database: the one that sleeps, the one that comes second, and `reset` through whoever is the owner. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ended, kill } from '../../tools/processes.ts';
import { type Daemon, interrupt, POLL, Scene, said } from './scene.ts';

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

/** Two configurations, a.yml and b.yml, each with a database of its own, both on the same replica. */
function twoOnOneReplica(more = ''): void {
  for (const name of ['a', 'b']) {
    const replica = `    replica:\n      type: file\n      path: replica\n      sync-interval: 50ms\n${more.replaceAll('OWNER', `machine-${name}`)}`;
    scene.write(`${name}.yml`, `dbs:\n  - path: ${name}.db\n    checkpoint-interval: 0\n${replica}`);
  }
}

const daemonOf = (name: string): Promise<Daemon> => scene.daemon('-config', `${name}.yml`);
const statusOf = async (name: string): Promise<string> =>
  (await scene.run('status', '-json', '-config', `${name}.yml`, `${name}.db`)).stdout;

async function replicated(name: string): Promise<void> {
  await expect.poll(async () => (await scene.run('sync', '-wait', '-config', `${name}.yml`, `${name}.db`)).status, POLL).toBe(0);
}

/** Every LTX file at the replica with its bytes. */
function filesThere(): Map<string, string> {
  const root = scene.at('replica');
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ltx'));
  return new Map(names.map((name) => [name, readFileSync(join(root, name)).toString('base64')]));
}

async function restoredFrom(...source: string[]): Promise<string[]> {
  const name = `restored-${Math.random().toString(36).slice(2)}.db`;
  const { status, stderr } = await scene.run('restore', '-o', name, ...source);
  expect(status, stderr).toBe(0);
  return scene.bodies(name);
}

describe('a daemon that slept while another one took the replica over', () => {
  for (const lease of [false, true]) {
    test(`changes nothing there when it wakes, ${lease ? 'with a lease' : 'by create-only names'}, and what only it has restores`, async () => {
      twoOnOneReplica(lease ? '      lease:\n        ttl: 3s\n        owner: OWNER\n' : '');
      scene.insert('of a', 'a.db');
      const a = await daemonOf('a');
      await replicated('a');
      a.child.kill('SIGSTOP');
      scene.insert('while a slept', 'a.db');

      scene.insert('of b', 'b.db');
      await daemonOf('b');
      await replicated('b');
      scene.insert('more of b', 'b.db');
      await replicated('b');
      const winners = filesThere();

      a.child.kill('SIGCONT');
      await expect.poll(() => statusOf('a'), POLL).toContain(lease ? 'LEASE_LOST' : 'SECOND_WRITER');
      await said(a, 'kept aside');
      scene.insert('after a woke', 'a.db');
      await scene.run('sync', '-config', 'a.yml', 'a.db');
      // What the winner's own maintenance makes of them may come on top.
      const now = filesThere();
      for (const [name, bytes] of winners) expect(now.get(name), name).toBe(bytes);
      const level0 = (files: ReadonlyMap<string, string>) => [...files.keys()].filter((name) => name.includes('ltx/0/')).sort();
      expect(level0(now)).toEqual(level0(winners));

      const url = a.output().match(/file:\/\/[^\s"']+/)?.[0] ?? '';
      await expect.poll(() => restoredFrom(url), POLL).toEqual(['of a', 'while a slept', 'after a woke']);
      expect(await restoredFrom('-config', 'b.yml', 'b.db')).toEqual(['of b', 'more of b']);
      const { stderr: told } = await scene.run('restore', '-config', 'a.yml', '-o', 'not-of-a.db', 'a.db');
      expect(told).toMatch(/^Warning: replica \S+ was continued by another writer at /m);
      expect(told).toContain(`.kept ${url}`);
      const { stderr: quiet } = await scene.run('restore', '-config', 'b.yml', '-o', 'not-of-b.db', 'b.db');
      expect(quiet).not.toContain('another writer');
      expect(await interrupt(a)).toBe(5);
    });
  }
});

describe('a second daemon on the same database', () => {
  test('is refused, and when the metadata directory is removed at most one of them goes on', async () => {
    scene.config();
    scene.insert('one');
    const first = await scene.daemon();
    await scene.replicates();
    const second = scene.start('-config', 'litestream.yml');
    await ended(second.child);
    expect(second.child.exitCode).toBe(1);
    expect(second.output()).toMatch(/replicates this database already/);

    await rm(scene.at('.app.db-litestream'), { recursive: true, maxRetries: 20 });
    const third = scene.start('-config', 'litestream.yml');
    scene.insert('two');
    // One of them holds the new lock; the other one says so.
    await expect.poll(() => [first, third].filter(({ output }) => /replicates this database already/.test(output())).length, POLL).toBe(1);
    scene.insert('three');
    await expect.poll(async () => (await scene.with('sync', '-wait', 'app.db')).status, POLL).toBe(0);
    expect(await scene.restored()).toEqual(['one', 'two', 'three']);
    const names = scene.ltxFiles();
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('reset', () => {
  test('is done by the daemon, which goes on behind the replica', async () => {
    scene.config();
    scene.insert('one');
    await scene.daemon();
    await scene.replicates();
    await scene.ok('sync', '-wait', 'app.db');
    const before = scene.ltxFiles();
    expect(await scene.ok('reset', '-dry-run', 'app.db')).toMatch(/Would move aside .*ltx.*0\/0{15}1-0{15}1\.ltx.*nothing was changed/s);
    const answer = (await scene.json('reset', 'app.db')) as { outcome: string; kept_in: string; next_txid: string };
    expect(answer.outcome).toBe('reset');
    expect(existsSync(answer.kept_in)).toBe(true);
    scene.insert('two');
    await scene.ok('sync', '-wait', 'app.db');
    const after = scene.ltxFiles();
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after).toContain(`${answer.next_txid}-${answer.next_txid}.ltx`);
    expect(await scene.restored()).toEqual(['one', 'two']);
  });

  test('is done by the command itself when nobody is the owner; the next daemon does not begin at 1', async () => {
    scene.config();
    scene.insert('one');
    await scene.ok('replicate', '-once');
    const before = scene.ltxFiles();
    expect(await scene.ok('reset', 'app.db')).toMatch(/^Reset .*app\.db\nMoved aside: .*reset-/);
    expect(existsSync(scene.at('.app.db-litestream', 'ltx'))).toBe(false);
    scene.insert('two');
    await scene.ok('replicate', '-once');
    expect(scene.ltxFiles().slice(0, before.length)).toEqual(before);
    expect(scene.ltxFiles().length).toBeGreaterThan(before.length);
    expect(await scene.restored()).toEqual(['one', 'two']);
  });

  test('touches nothing when the owner does not answer', async () => {
    scene.config();
    scene.insert('one');
    const daemon = await scene.daemon();
    await scene.ok('sync', '-wait', 'app.db');
    daemon.child.kill('SIGSTOP');
    const before = readdirSync(scene.at('.app.db-litestream', 'ltx', '0'));
    const { status, stderr } = await scene.with('reset', 'app.db');
    expect(status).toBe(1);
    expect(stderr).toContain('does not answer');
    expect(readdirSync(scene.at('.app.db-litestream', 'ltx', '0'))).toEqual(before);
    daemon.child.kill('SIGCONT');
    await kill(daemon.child);
  });

  test('of what was never replicated says so, and of a missing database is an error', async () => {
    scene.config();
    scene.insert('one');
    expect(await scene.ok('reset', 'app.db')).toContain('Nothing to reset');
    scene.closeDatabase();
    await rm(scene.at('app.db'));
    expect(await scene.with('reset', 'app.db')).toMatchObject({ status: 4 });
    expect(await scene.with('reset')).toMatchObject({ status: 2 });
  });
});
