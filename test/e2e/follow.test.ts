import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ended, kill, startLitestream } from '../../tools/processes.ts';
import { App } from '../support/app-process.ts';
import { POLL, Scene, said } from './scene.ts';

let scene: Scene;
let apps: App[] = [];
beforeEach(() => {
  scene = new Scene();
});
afterEach(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  apps = [];
  await scene.end();
});

async function reader(): Promise<App> {
  const app = await App.start(scene.at('copy.db'));
  apps.push(app);
  return app;
}

const count = async (app: App): Promise<number> =>
  app.run(({ open }) => {
    const db = open();
    db.pragma('query_only = 1');
    return db.prepare('SELECT count(*) FROM t').pluck().get() as number;
  });

test('restore -f keeps a copy up to date for a program that has it open, and goes on after it was killed', async () => {
  scene.config();
  for (let i = 0; i < 3; i++) scene.insert(`before ${i}`);
  await scene.daemon();
  await scene.ok('sync', '-wait', 'app.db');

  const args = ['restore', '-f', '-follow-interval', '100ms', '-json', '-config', 'litestream.yml', '-o', 'copy.db', 'app.db'];
  let follower = startLitestream(scene.directory, ...args);
  try {
    await said(follower, '"event":"restored"');
    const app = await reader();
    expect(await count(app)).toBe(3);
    for (let i = 0; i < 20; i++) scene.insert(`while ${i}`);
    await expect.poll(() => count(app), POLL).toBe(23);
    await said(follower, '"event":"applied"');

    await kill(follower.child);
    for (let i = 0; i < 20; i++) scene.insert(`killed ${i}`);
    expect(await count(app)).toBeGreaterThanOrEqual(23);
    follower = startLitestream(scene.directory, ...args);
    await said(follower, '"event":"resumed"');
    await expect.poll(() => count(app), POLL).toBe(43);
    expect(readFileSync(scene.at('copy.db-txid'), 'utf8')).toMatch(/^[0-9a-f]{16}\n$/);
    expect(existsSync(scene.at('copy.db-wal'))).toBe(false);

    follower.child.kill('SIGTERM');
    await ended(follower.child);
    expect(follower.child.exitCode).toBe(0);
  } finally {
    await kill(follower.child);
  }
});

test('a database that is no copy is never followed to', async () => {
  scene.config();
  scene.insert('mine');
  await scene.ok('replicate', '-once');
  const { status, stderr } = await scene.with('restore', '-f', 'app.db');
  expect(status).toBe(1);
  expect(stderr).toContain('there is a database');
  expect(scene.bodies('app.db')).toEqual(['mine']);
});
