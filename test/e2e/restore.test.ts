/** Restoring, from the command line and over real files. */

import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { POLL, Scene } from './scene.ts';

let scene: Scene;

beforeEach(() => {
  scene = new Scene();
});

afterEach(() => scene.end());

/** Three commits, each at the replica before the next; returns a moment after each. */
async function threeMoments(): Promise<string[]> {
  const moments: string[] = [];
  await scene.daemon();
  await scene.replicates();
  for (const body of ['one', 'two', 'three']) {
    scene.insert(body);
    await scene.ok('sync', '-wait', 'app.db');
    await sleep(100);
    moments.push(new Date().toISOString());
    await sleep(100);
  }
  return moments;
}

test('a moment restores what was committed before it, and nothing after', async () => {
  scene.config();
  scene.db();
  const moments = await threeMoments();
  expect(await scene.restored('-timestamp', moments[0] ?? '', '-integrity-check', 'full')).toEqual(['one']);
  expect(await scene.restored('-timestamp', moments[1] ?? '')).toEqual(['one', 'two']);
  expect(await scene.restored('-timestamp', moments[2] ?? '')).toEqual(['one', 'two', 'three']);
  const early = await scene.with('restore', '-o', 'early.db', '-timestamp', '2001-01-01T00:00:00Z', 'app.db');
  expect(early.status).toBe(4);
  expect(early.stderr).toMatch(/^Error: .*\n?Hint: /m);
});

test('with nothing but a configuration every database is restored', async () => {
  scene.write(
    'litestream.yml',
    'dbs:\n  - path: a.db\n    replica:\n      path: replica-a\n  - path: b.db\n    replica:\n      path: replica-b\n',
  );
  scene.insert('in a', 'a.db');
  scene.insert('in b', 'b.db');
  await scene.ok('replicate', '-once');
  for (const name of ['a.db', 'b.db']) {
    scene.closeDatabase(name);
    for (const suffix of ['', '-wal', '-shm']) rmSync(scene.at(name + suffix), { force: true });
  }
  const out = await scene.ok('restore');
  expect(out.match(/restored/g)).toHaveLength(2);
  expect(scene.bodies('a.db')).toEqual(['in a']);
  expect(scene.bodies('b.db')).toEqual(['in b']);
  // A second time nothing is overwritten, unless that is no reason to complain.
  expect((await scene.with('restore')).status).toBe(1);
  expect((await scene.with('restore', '-if-db-not-exists')).status).toBe(0);
});

test('a URL without -o restores the one configured database that has this replica', async () => {
  scene.config();
  scene.insert('x');
  await scene.ok('replicate', '-once');
  scene.closeDatabase();
  for (const suffix of ['', '-wal', '-shm']) rmSync(scene.at(`app.db${suffix}`), { force: true });
  await scene.ok('restore', `file://${scene.at('replica')}`);
  expect(scene.bodies('app.db')).toEqual(['x']);
  const unknown = await scene.with('restore', `file://${scene.at('another')}`);
  expect(unknown.status).toBe(2);
  expect(unknown.stderr).toMatch(/(Hint|Try): .*restore -o/);
});

test('-force keeps the old file and refuses while a daemon owns it', async () => {
  scene.config();
  scene.insert('replicated');
  await scene.ok('replicate', '-once');
  scene.insert('only here');
  scene.closeDatabase();
  expect((await scene.with('restore', 'app.db')).status).toBe(1);
  const out = await scene.ok('restore', '-force', 'app.db');
  const kept = readdirSync(scene.directory).find((name) => /^app\.db\.replaced-\d{8}T\d{6}Z$/.test(name)) ?? '';
  expect(out).toContain(kept);
  expect(scene.bodies('app.db')).toEqual(['replicated']);
  expect(scene.bodies(kept)).toEqual(['replicated', 'only here']);

  scene.db();
  await scene.daemon();
  await scene.replicates();
  const refused = await scene.with('restore', '-force', 'app.db');
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/Error: .*app\.db/);
  expect(scene.db().prepare('SELECT count(*) FROM t').pluck().get()).toBe(1);
});

test('a restored database that is replicated again goes on in the same history', async () => {
  scene.config();
  scene.insert('first');
  await scene.ok('replicate', '-once');
  const before = scene.ltxFiles();
  scene.closeDatabase();
  for (const name of ['app.db', 'app.db-wal', 'app.db-shm', '.app.db-litestream']) rmSync(scene.at(name), { recursive: true, force: true });
  await scene.ok('restore', 'app.db');
  scene.insert('second');
  await scene.ok('replicate', '-once');
  const after = scene.ltxFiles();
  expect(after.slice(0, before.length)).toEqual(before);
  expect(after.map((name) => Number.parseInt(name.slice(0, 16), 16))).toEqual(after.map((_, index) => index + 1));
  expect(await scene.restored()).toEqual(['first', 'second']);
});

test('-dry-run writes nothing, -json is JSON, a listing that cannot be trusted is not empty', async () => {
  scene.config();
  scene.insert('x');
  await scene.ok('replicate', '-once');
  const files = readdirSync(scene.directory).sort();
  const plan = (await scene.json('restore', '-dry-run', '-o', 'out.db', 'app.db')) as { files: { level: number }[]; max_txid: string };
  expect(plan.files.length).toBeGreaterThan(0);
  expect(plan.max_txid).toMatch(/^[0-9a-f]{16}$/);
  expect(readdirSync(scene.directory).sort()).toEqual(files);
  const done = (await scene.json('restore', '-o', 'out.db', 'app.db')) as { status: string; txid: string };
  expect(done).toMatchObject({ status: 'restored', txid: plan.max_txid });

  rmSync(scene.at('replica'), { recursive: true });
  expect((await scene.with('restore', '-if-replica-exists', '-o', 'none.db', 'app.db')).status).toBe(0);
  writeFileSync(scene.at('replica'), 'in the way');
  const broken = await scene.with('restore', '-if-replica-exists', '-o', 'none.db', 'app.db');
  expect(broken.status).toBe(1);
  expect(broken.stderr).toMatch(/replica/);
});

test('restoring beside a daemon that writes gives a sound state', async () => {
  scene.config();
  scene.insert('0');
  await scene.daemon();
  await scene.replicates();
  let count = 1;
  const timer = setInterval(() => scene.insert(String(count++)), 10);
  try {
    await expect.poll(() => scene.ltxFiles().length, POLL).toBeGreaterThan(3);
    const bodies = await scene.restored('-integrity-check', 'full');
    expect(bodies).toEqual(bodies.map((_, index) => String(index)));
  } finally {
    clearInterval(timer);
  }
});
