/** A destination with a date in it, from the command line. */

import { readdirSync, renameSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Scene } from './scene.ts';

let scene: Scene;

beforeEach(() => {
  scene = new Scene();
  scene.write(
    'litestream.yml',
    'dbs:\n  - path: app.db\n    restore-if-db-not-exists: true\n    replicas:\n      - name: daily\n        path: backups/$(date +%Y-%m-%d)/app\n',
  );
});

afterEach(() => scene.end());

const bodiesOf = async (...args: string[]): Promise<string[]> => {
  const name = `restored-${Math.random().toString(36).slice(2)}.db`;
  const { status, stderr } = await scene.run('restore', '-o', name, ...args);
  expect(status, stderr).toBe(0);
  return scene.bodies(name);
};

test('what was replicated on other days is listed and restored: the newest, an older one by name, by path, by template', async () => {
  /** What was written today was written then; nothing remembers that it was today. */
  const pretend = (date: string): void => {
    // Not asked of the clock: midnight may have passed.
    const [today = ''] = readdirSync(scene.at('backups')).filter((name) => !name.startsWith('2020-'));
    expect(today).toMatch(/^\d{4}-\d\d-\d\d$/);
    renameSync(scene.at('backups', today), scene.at('backups', date));
    rmSync(scene.at('.app.db-litestream', 'uploaded-daily.json'));
  };
  scene.insert('old');
  await scene.ok('replicate', '-once');
  pretend('2020-01-01');
  scene.insert('new');
  await scene.ok('replicate', '-once');
  pretend('2020-01-02');
  scene.closeDatabase();

  const template = `file://${scene.at('backups', '$(date +%Y-%m-%d)', 'app')}`;
  expect(await bodiesOf('-config', 'litestream.yml', 'app.db')).toEqual(['old', 'new']);
  expect(await bodiesOf('-config', 'litestream.yml', '-replica', 'daily', 'app.db')).toEqual(['old', 'new']);
  expect(await bodiesOf('-config', 'litestream.yml', '-replica', 'daily@2020-01-01/app', 'app.db')).toEqual(['old']);
  expect(await bodiesOf(template)).toEqual(['old', 'new']);
  expect(await bodiesOf(`file://${scene.at('backups', '2020-01-01', 'app')}`)).toEqual(['old']);
  expect(await scene.ok('generations', 'app.db')).toContain('daily@2020-01-01/app');

  rmSync(scene.at('app.db'));
  rmSync(scene.at('.app.db-litestream'), { recursive: true });
  const { status, stderr } = await scene.run('restore', '-config', 'litestream.yml', template);
  expect(status, stderr).toBe(0);
  expect(scene.bodies('app.db')).toEqual(['old', 'new']);

  // A new day, and the machine has lost everything: the database comes back from the newest date there is.
  for (const suffix of ['', '-wal', '-shm']) rmSync(scene.at(`app.db${suffix}`), { force: true });
  await scene.ok('replicate', '-once');
  expect(scene.bodies('app.db')).toEqual(['old', 'new']);
});
