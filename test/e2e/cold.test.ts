/** A database that a real daemon has closed: it is still the daemon's for every command, and wakes by itself. */

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { kill } from '../../tools/processes.ts';
import { type Daemon, interrupt, POLL, Scene } from './scene.ts';

let scene: Scene;

beforeEach(() => {
  scene = new Scene();
  scene.config('', '    cold-after: 200ms\n');
});

afterEach(() => scene.end());

const owner = (): { readonly shared?: string } => {
  const path = scene.at('.app.db-litestream', 'owner.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { shared?: string }) : {};
};

const isCold = () => expect.poll(() => owner().shared, POLL).toMatch(/^\.\.\/\.litestream-cold-/);

/** The first snapshot, within seconds of the start, wakes it once; the next one is a day away. */
const isAtRest = async () => {
  await expect.poll(() => scene.ltxFiles('replica', '9').length, POLL).toBe(1);
  await isCold();
};

const locks = (): string[] => readdirSync(scene.directory).filter((name) => name.startsWith('.litestream-cold-'));

function openFiles({ child }: Daemon): string[] {
  const directory = `/proc/${child.pid}/fd`;
  const paths = readdirSync(directory).map((fd) => {
    try {
      return readlinkSync(`${directory}/${fd}`);
    } catch {
      return ''; // closed meanwhile
    }
  });
  return paths.filter((path) => path.startsWith(scene.at('app.db')) || path.includes('owner.lock'));
}

test('it has no files open, answers to every command, and is given to nobody else', async () => {
  scene.insert('one');
  const daemon = await scene.daemon();
  await isAtRest();
  await expect.poll(() => openFiles(daemon), POLL).toEqual([]);
  expect(await scene.ok('status', '-replicas')).toMatch(/app\.db +ok .*replicating(?:.|\n)*: replicating at 0{15}1, closed while idle, /);
  expect(JSON.parse(await scene.ok('status', '-json'))).toMatchObject([{ state: 'replicating', cold: true }]);
  const refused = await scene.with('restore', '-force', '-o', 'app.db', 'app.db');
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('it is being replicated') });
  const second = await scene.with('replicate');
  expect(second).toMatchObject({ status: 1, stderr: expect.stringContaining('replicates this database already') });
  expect(owner().shared).toBeDefined();

  scene.insert('two');
  await expect.poll(() => scene.ltxFiles().length, POLL).toBe(2);
  expect(await scene.restored()).toEqual(['one', 'two']);

  await isCold();
  await scene.ok('sync', '-wait', 'app.db');
  await isCold();
  expect(await interrupt(daemon)).toBe(0);
  expect(owner()).toEqual({});
  expect(locks()).toEqual([]);
});

test('it is free as soon as its daemon was killed, and what was committed meanwhile is not lost', async () => {
  scene.insert('one');
  const daemon = await scene.daemon();
  await isAtRest();
  const { shared } = owner();
  await kill(daemon.child);
  scene.insert('two');
  scene.closeDatabase();
  await scene.daemon();
  // What the first one has left says that it is covered, too.
  await expect.poll(() => owner().shared ?? shared, POLL).not.toBe(shared);
  await isCold();
  expect(await scene.restored()).toEqual(['one', 'two']);
  expect(locks().filter((name) => name.endsWith('.lock'))).toHaveLength(1);
});
