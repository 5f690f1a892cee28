/** The same life at every kind of destination, by real processes: replicate, kill, continue, compact, restore to a time, verify. */

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { kill } from '../../tools/processes.ts';
import { available, SERVICE_START_MS } from '../support/services.ts';
import { DESTINATIONS, type Written } from './destinations.ts';
import { interrupt, POLL, Scene } from './scene.ts';

interface ListedFile {
  readonly level: number;
}

describe.each(DESTINATIONS)('$name', (destination) => {
  const reason = destination.service === undefined ? undefined : available(destination.service);

  test.skipIf(reason !== undefined)(
    'two databases in one place live through a kill and a merge; each moment restores, and neither touches the other',
    async () => {
      const scene = new Scene();
      try {
        configure(scene, await destination.prepare(scene.directory));
        await live(scene);
      } finally {
        await scene.end();
      }
    },
    SERVICE_START_MS + 400_000,
  );
});

async function live(scene: Scene): Promise<void> {
  scene.insert('first');
  scene.insert('other', 'other.db');
  const daemon = await scene.daemon();
  await scene.ok('sync', '-wait', 'app.db');
  await scene.ok('sync', '-wait', 'other.db');
  const moment = await momentAfter(scene, 'second');
  await kill(daemon.child);
  scene.insert('while nobody looked');
  const again = await scene.daemon();
  await scene.ok('sync', '-wait', 'app.db');
  await expect.poll(() => levels(scene), POLL).toEqual(expect.arrayContaining([1, 9]));
  expect(await scene.restored('-timestamp', moment)).toEqual(['first', 'second']);
  expect(await scene.restored()).toEqual(['first', 'second', 'while nobody looked']);
  await scene.ok('verify', 'app.db');
  await scene.ok('restore', '-o', 'copy.db', 'other.db');
  expect(scene.bodies('copy.db')).toEqual(['other']);
  expect(await interrupt(again), again.output()).toBe(0);
}

function configure(scene: Scene, written: Written): void {
  const entry = (name: string, path: string) => [
    `  - path: ${name}`,
    '    replica:',
    ...[...written(path), 'sync-interval: 50ms'].map((line) => `      ${line}`),
  ];
  scene.write(
    'litestream.yml',
    ['levels: [{interval: 1s}, {interval: 1h}]', 'dbs:', ...entry('app.db', 'a'), ...entry('other.db', 'ab'), ''].join('\n'),
  );
}

/** Writes and uploads; returns a time after which nothing was written for a while. Some stores tell times in whole seconds. */
async function momentAfter(scene: Scene, body: string): Promise<string> {
  scene.insert(body);
  await scene.ok('sync', '-wait', 'app.db');
  await sleep(1100);
  const moment = new Date().toISOString();
  await sleep(1100);
  scene.insert('after the moment');
  scene.db().exec("DELETE FROM t WHERE body = 'after the moment'");
  await scene.ok('sync', '-wait', 'app.db');
  return moment;
}

async function levels(scene: Scene): Promise<number[]> {
  const listed = (await scene.json('ltx', '-level', 'all', 'app.db')) as readonly ListedFile[];
  return [...new Set(listed.map(({ level }) => Number(level)))].sort();
}
