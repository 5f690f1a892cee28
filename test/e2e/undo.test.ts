import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Scene } from './scene.ts';

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
  scene.config();
});
afterEach(() => scene.end());

const kept = (): string[] =>
  readdirSync(scene.directory)
    .filter((name) => /^app\.db\.replaced-\d{8}T\d{6}Z(-\d+)?$/.test(name))
    .sort();

/** `first` is replicated, `second` is not; nobody has the database open. Returns the TXID with `first` alone. */
async function withTail(): Promise<string> {
  scene.insert('first');
  await scene.ok('replicate', '-once');
  const [row] = (await scene.json('status', 'app.db')) as { local_txid_hex?: string; local_txid?: string }[];
  const files = (await scene.json('ltx', '-level', 'all', 'app.db')) as { max_txid: string }[];
  scene.insert('second');
  scene.closeDatabase();
  expect(row).toBeDefined();
  return (
    files
      .map(({ max_txid }) => max_txid)
      .sort()
      .at(-1) ?? ''
  );
}

test('a forced restore sends what was not sent, and is undone and redone', async () => {
  const txid = await withTail();
  const out = await scene.ok('restore', '-force', '-txid', txid, 'app.db');
  expect(out).toMatch(/kept as .*app\.db\.replaced-/);
  expect(scene.bodies('app.db')).toEqual(['first']);
  expect(kept()).toHaveLength(1);
  // What had not been sent is at the replica now.
  expect(await scene.restored()).toEqual(['first', 'second']);

  const dry = await scene.ok('restore', '-undo', '-dry-run', 'app.db');
  expect(dry).toMatch(/^Would bring back .*app\.db: the database that was replaced at/);
  expect(scene.bodies('app.db')).toEqual(['first']);
  const undone = (await scene.json('restore', '-undo', 'app.db')) as Record<string, unknown>;
  expect(undone).toMatchObject({ mode: 'done', replaced: expect.stringContaining('.replaced-') });
  expect(scene.bodies('app.db')).toEqual(['first', 'second']);
  expect(kept()).toHaveLength(1);
  expect(await scene.ok('restore', '-undo', '-o', 'app.db')).toMatch(/Brought back[\s\S]*is kept as/);
  expect(scene.bodies('app.db')).toEqual(['first']);
  expect(readdirSync(scene.directory).filter((name) => name.includes('.restoring-'))).toEqual([]);
});

test('the newest state asked for is the one from before the tail was sent', async () => {
  await withTail();
  await scene.ok('restore', '-force', 'app.db');
  expect(scene.bodies('app.db')).toEqual(['first']);
  expect(await scene.restored()).toEqual(['first', 'second']);
});

test('where the tail cannot be sent the restore goes on, says so, and has kept it', async () => {
  const txid = await withTail();
  writeFileSync(scene.at('blocked'), 'a file where a directory should be');
  scene.write(
    'litestream.yml',
    'dbs:\n  - path: app.db\n    replicas:\n      - {name: file, path: replica}\n      - {name: other, path: blocked/replica}\n',
  );
  const { status, stderr } = await scene.with('restore', '-force', '-replica', 'file', '-txid', txid, 'app.db');
  expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining('the replaced database is kept whole') });
  expect(scene.bodies('app.db')).toEqual(['first']);
  await scene.ok('restore', '-undo', 'app.db');
  expect(scene.bodies('app.db')).toEqual(['first', 'second']);
});

test('a replica named by URL never gets what a database there has not sent', async () => {
  await withTail();
  const { status } = await scene.run('restore', '-force', '-o', 'app.db', `file://${scene.at('replica')}`);
  expect(status).toBe(0);
  expect(await scene.restored()).toEqual(['first']);
});

test('an undo is refused while the database is replicated or open, and without a kept file', async () => {
  const txid = await withTail();
  expect((await scene.with('restore', '-undo', 'app.db')).status).toBe(4);
  await scene.ok('restore', '-force', '-txid', txid, 'app.db');
  scene.db().prepare('SELECT count(*) FROM t').get();
  const open = await scene.with('restore', '-undo', 'app.db');
  expect(open).toMatchObject({ status: 1, stderr: expect.stringContaining('has it open') });
  scene.closeDatabase();
  await scene.daemon();
  await scene.replicates();
  const owned = await scene.with('restore', '-undo', '-json', 'app.db');
  expect(JSON.parse(owned.stderr)).toMatchObject({ error: { code: 'OUTPUT_IN_USE' } });
  expect((await scene.with('restore', '-undo', '-txid', '1', 'app.db')).status).toBe(2);
  expect(kept()).toHaveLength(1);
  expect(existsSync(scene.at('app.db'))).toBe(true);
});
