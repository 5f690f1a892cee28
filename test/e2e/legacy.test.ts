import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LEGACY_IDENTITY_FILE, legacyExpectations, legacyIdentity, unpackLegacy } from '../support/legacy-fixture.ts';
import { Scene } from './scene.ts';

const GENERATION = 'fee51cbedde042a7';
const TIME = '2026-11-21T11:50:16.996Z';

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
  scene.config();
});
afterEach(() => scene.end());

/** The replica that 0.3.13 wrote, at `replica`. */
function withLegacy(name: 'plain' | 'age' = 'plain'): void {
  const from = unpackLegacy(name, scene.at('unpacked'));
  cpSync(from, scene.at('replica'), { recursive: true, preserveTimestamps: true });
}

function counts(name: string): string {
  const db = new Database(scene.at(name));
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    return (db.prepare('SELECT count(*), coalesce(sum(length(body)), 0), coalesce(max(id), 0) FROM t').raw().get() as number[]).join('|');
  } finally {
    db.close();
  }
}

const expected = (at: string): string => legacyExpectations('plain').find((one) => one.at === at)?.counts ?? '';

test('data of version 0.3 is restored at a moment, up to an index, and to its newest state', async () => {
  withLegacy();
  expect(await scene.ok('restore', '-o', 'moment.db', '-timestamp', TIME, 'app.db')).toContain(`of generation ${GENERATION}`);
  expect(counts('moment.db')).toBe(expected(TIME));
  await scene.ok('restore', '-o', 'index.db', '-generation', GENERATION, '-index', '3', 'app.db');
  expect(counts('index.db')).toBe(expected('latest'));
  const result = (await scene.json('restore', '-o', 'latest.db', 'app.db')) as Record<string, unknown>;
  expect(result).toMatchObject({ generation: GENERATION, wal_index: '00000004', integrity_check: 'quick', status: 'restored' });
  expect(counts('latest.db')).toBe(expected('latest'));
  expect(readdirSync(scene.directory).filter((name) => name.startsWith('latest.db'))).toEqual(['latest.db']);
});

test('the plan names format, generation, snapshot and segments, and writes nothing', async () => {
  withLegacy();
  const { plan, files } = (await scene.json('restore', '-dry-run', '-o', 'out.db', '-timestamp', TIME, 'app.db')) as {
    plan: Record<string, unknown>;
    files: { name: string }[];
  };
  expect(plan).toMatchObject({ format: 'v3', generation: GENERATION, format_reason: expect.stringContaining('no LTX files') });
  expect(files.map(({ name }) => name.split('/').at(-1))).toEqual([
    '00000001.snapshot.lz4',
    '00000001_00000000.wal.lz4',
    '00000001_00001038.wal.lz4',
  ]);
  expect(existsSync(scene.at('out.db'))).toBe(false);
  expect(await scene.ok('restore', '-dry-run', '-o', 'out.db', 'app.db')).toContain(`${GENERATION} (version 0.3), up to WAL 00000004`);
});

test('generations, snapshots and wal list it with the columns of version 0.3 first', async () => {
  withLegacy();
  const [header, row] = (await scene.ok('generations', 'app.db')).split('\n').map((line) => line.split(/\s+/));
  expect(header?.slice(0, 5)).toEqual(['name', 'generation', 'lag', 'start', 'end']);
  expect(row?.slice(0, 2)).toEqual(['file', GENERATION]);
  expect(await scene.json('snapshots', 'app.db')).toMatchObject([{ index: '4', format: 'v3' }, { index: '1' }, { index: '0' }]);
  const wal = (await scene.ok('wal', 'app.db'))
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/));
  expect(wal[0]).toEqual(['replica', 'generation', 'index', 'offset', 'size', 'created', 'name']);
  expect(wal).toHaveLength(1 + 16);
  expect(wal.at(-1)).toEqual(['file', GENERATION, '4', '0', '119', '2026-11-21T11:50:21Z', '00000004_00000000']);
  expect(await scene.json('wal', '-generation', '0000000000000000', 'app.db')).toEqual([]);
});

test('encrypted data needs its identity, which appears nowhere', async () => {
  withLegacy('age');
  const refused = await scene.with('restore', '-o', 'out.db', 'app.db');
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/encrypted with age, and no identity is configured[\s\S]*age\.identities/);
  const key = legacyIdentity();
  const base = readFileSync(scene.at('litestream.yml'), 'utf8');
  writeFileSync(scene.at('key.txt'), readFileSync(LEGACY_IDENTITY_FILE), { mode: 0o600 });
  for (const identity of [key, 'key.txt']) {
    scene.write('litestream.yml', `${base}      age: {identities: ['${identity}']}\n`);
    const output = `${createHash('md5').update(identity).digest('hex')}.db`;
    const { status, stdout, stderr } = await scene.with('restore', '-json', '-o', output, 'app.db');
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stdout + stderr).not.toContain(key);
    const config = await scene.with('config', '-json');
    expect(config.stdout + config.stderr).not.toContain(key);
    const db = new Database(scene.at(output));
    expect((db.prepare('SELECT count(*) AS n FROM notes').get() as { n: number }).n).toBe(120);
    db.close();
  }
});

test('a missing database comes back from it, replication goes on beside it, and then LTX is what is restored', async () => {
  withLegacy();
  const before = listing();
  const base = readFileSync(scene.at('litestream.yml'), 'utf8');
  scene.write('litestream.yml', base.replace('    replica:', '    restore-if-db-not-exists: true\n    replica:'));
  await scene.ok('replicate', '-once');
  expect(counts('app.db')).toBe(expected('latest'));
  expect(scene.ltxFiles().length).toBeGreaterThan(0);
  expect(listing()).toEqual(before);
  const newest = (await scene.json('restore', '-dry-run', '-o', 'out.db', 'app.db')) as { plan: Record<string, unknown> };
  expect(newest.plan).toMatchObject({ format: 'ltx', format_reason: expect.stringContaining('the LTX files reach') });
  // Before there were LTX files only version 0.3 knows what was.
  await scene.ok('restore', '-o', 'old.db', '-timestamp', TIME, 'app.db');
  expect(counts('old.db')).toBe(expected(TIME));
  await scene.ok('restore', '-o', 'forced.db', '-generation', GENERATION, 'app.db');
  expect(counts('forced.db')).toBe(expected('latest'));
  const generations = (await scene.json('generations', 'app.db')) as { generation: string; format: string; restorable: boolean }[];
  expect(generations.map(({ generation, format, restorable }) => [generation, format, restorable])).toEqual([
    [GENERATION, 'v3', true],
    ['ltx', 'ltx', true],
  ]);
  expect(await scene.ok('wal', '-level', '0', 'app.db')).toBe(await scene.ok('ltx', 'app.db'));
});

/** Everything below `generations`, with sizes and times. */
function listing(): string[] {
  const root = scene.at('replica', 'generations');
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => {
      const { size, mtimeMs } = statSync(`${root}/${name}`);
      return `${name} ${size} ${mtimeMs}`;
    })
    .sort();
}

test('the dump of the newest state is that of the original', async (context) => {
  if (spawnSync('sqlite3', ['-version']).status !== 0) return context.skip('sqlite3 is not installed');
  withLegacy();
  await scene.ok('restore', '-o', 'latest.db', 'app.db');
  const { stdout } = spawnSync('sqlite3', [scene.at('latest.db'), '.dump'], { maxBuffer: 64 * 1024 * 1024 });
  expect(createHash('sha256').update(stdout).digest('hex')).toBe(legacyExpectations('plain').find(({ at }) => at === 'latest')?.dump);
});
