/** Commands that look: each against a running daemon and without one. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeHeader } from '../../src/formats/ltx/header.ts';
import { decode, encode } from '../support/ltx-files.ts';
import { interrupt, POLL, Scene } from './scene.ts';

let scene: Scene;

beforeEach(() => {
  scene = new Scene();
});

afterEach(() => scene.end());

async function running(settings = '') {
  scene.config(settings);
  scene.insert('one');
  const daemon = await scene.daemon();
  await scene.replicates();
  scene.insert('two');
  await scene.ok('sync', '-wait', 'app.db');
  // The first snapshot comes within seconds of the start.
  await expect.poll(() => scene.ltxFiles('replica', '9').length, POLL).toBe(1);
  return daemon;
}

test('sync -wait comes back when the replica has it, and says so', async () => {
  await running();
  scene.insert('three');
  const answer = (await scene.json('sync', '-wait', 'app.db')) as { txid: number; txid_hex: string; replica_txid_hex: string };
  expect(answer.replica_txid_hex).toBe(answer.txid_hex);
  expect(BigInt(`0x${answer.txid_hex}`)).toBe(BigInt(answer.txid));
  expect(scene.ltxFiles().at(-1)).toBe(`${answer.txid_hex}-${answer.txid_hex}.ltx`);
  expect(await scene.restored()).toEqual(['one', 'two', 'three']);
});

test('sync without a daemon says that none runs', async () => {
  scene.config();
  scene.insert('one');
  const { status, stderr } = await scene.with('sync', 'app.db');
  expect(status).toBe(1);
  expect(stderr).toMatch(/^Error: /m);
  expect(stderr).toMatch(/^(Hint|Try): .*replicate/m);
});

test('ltx, generations, snapshots, databases, status and info agree, with and without a daemon', async () => {
  const daemon = await running();
  const look = async () => ({
    files: (await scene.json('ltx', 'app.db')) as { level: number; min_txid: string; max_txid: string; size: number; timestamp: string }[],
    generations: (await scene.json('generations', 'app.db')) as { restorable: boolean; min_txid: string; max_txid: string }[],
    snapshots: (await scene.json('snapshots', 'app.db')) as { min_txid: string; max_txid: string; size: number }[],
    databases: (await scene.json('databases')) as { path: string }[],
  });
  const live = await look();
  const names = scene.ltxFiles();
  const raw = live.files;
  expect(raw.map(({ min_txid, max_txid }) => `${min_txid}-${max_txid}.ltx`)).toEqual(names);
  for (const file of raw) {
    expect(file).toMatchObject({ level: 0, timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) });
    const bytes = readFileSync(scene.at('replica', 'ltx', '0', `${file.min_txid}-${file.max_txid}.ltx`));
    expect(file.size).toBe(bytes.length);
    expect(Math.abs(Date.parse(file.timestamp) - decodeHeader(bytes).timestamp)).toBeLessThan(1000);
  }
  expect(live.generations).toHaveLength(1);
  expect(live.generations[0]).toMatchObject({ restorable: true, min_txid: '0000000000000001', max_txid: names.at(-1)?.slice(0, 16) });
  expect(live.snapshots.length).toBeGreaterThan(0);
  for (const snapshot of live.snapshots) expect(snapshot).toMatchObject({ min_txid: '0000000000000001' });
  expect(live.databases).toHaveLength(1);
  const status = (await scene.json('status', 'app.db')) as { state: string; local_txid: string; status: string }[];
  expect(status[0]).toMatchObject({ state: 'replicating', status: 'ok', local_txid: names.at(-1)?.slice(0, 16) });
  expect(await scene.ok('info')).toMatch(/Databases: 1/);

  expect(await interrupt(daemon), daemon.output()).toBe(0);
  const offline = await look();
  expect(offline.files).toEqual((await scene.json('ltx', 'app.db')) as object);
  expect(offline.generations[0]).toMatchObject({ restorable: true, min_txid: '0000000000000001' });
  const nine = (await scene.json('ltx', '-level', '9', 'app.db')) as { level: number }[];
  expect(nine.map(({ level }) => level)).toEqual(scene.ltxFiles('replica', '9').map(() => 9));
  expect((await scene.with('ltx', '-level', '12', 'app.db')).status).toBe(2);
  expect(await scene.ok('status')).toMatch(/stopped|not running|ok/);
});

test('wal is ltx with a warning', async () => {
  await running();
  const old = await scene.with('wal', 'app.db');
  expect(old.status).toBe(0);
  expect(old.stderr).toMatch(/Warning: .*"litestream wal" is deprecated, use "litestream ltx"/);
  expect(old.stdout).toBe(await scene.ok('ltx', 'app.db'));
});

test('verify passes after a sync, and fails once the replica holds a sound file with another page', async () => {
  // There are no merges, and after the first snapshot none for a day: nothing mends what is changed below.
  const daemon = await running('levels: []\nsnapshot: {interval: 24h}');
  const passed = (await scene.json('verify', 'app.db')) as { outcome: string; checks: { name: string; outcome: string }[] };
  expect(passed.outcome).toBe('passed');
  expect(passed.checks.length).toBeGreaterThan(1);

  // The snapshot may hold the row as well: whichever file a restore takes, it is another one.
  const kept = new Map(filesWith('two').map((path) => [path, readFileSync(path)]));
  expect(kept.size).toBeGreaterThan(0);
  for (const path of kept.keys()) writeFileSync(path, withOtherPage(path));
  const failed = await scene.with('verify', '-json', 'app.db');
  expect(failed.status, failed.stdout + failed.stderr).toBe(1);
  expect(JSON.parse(failed.stdout)).toMatchObject({ outcome: 'failed' });

  // A damaged file is found before any page is compared.
  for (const [path, bytes] of kept) {
    const damaged = Buffer.from(bytes);
    damaged[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 1;
    writeFileSync(path, damaged);
  }
  expect((await scene.with('verify', 'app.db')).status).toBe(1);

  for (const [path, bytes] of kept) writeFileSync(path, bytes);
  expect(await interrupt(daemon), daemon.output()).toBe(0);
});

/** Files of every level that hold a page with `word`. */
function filesWith(word: string): string[] {
  const names = readdirSync(scene.at('replica', 'ltx'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ltx'));
  const paths = names.map((name) => scene.at('replica', 'ltx', name));
  return paths.filter((path) => [...decode(readFileSync(path)).content.values()].some((page) => page.includes(word)));
}

/** The same file, except that the row `two` says something else: sound in itself and as a database. */
function withOtherPage(path: string): Buffer {
  const { header, content } = decode(readFileSync(path));
  const page = [...content.values()].find((candidate) => candidate.includes('two'));
  if (page === undefined) throw new Error('the newest file does not hold the row');
  page.write('TWO', page.indexOf('two'));
  return encode(header, content);
}
