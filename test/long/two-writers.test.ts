/** Two machines' daemons at one place of every kind of destination: one of them ends clearly, and nothing of the other is harmed. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DESTINATIONS, type Written } from '../e2e/destinations.ts';
import { type Daemon, POLL, Scene } from '../e2e/scene.ts';
import { LEASED } from '../model/destination-life.ts';
import { available, SERVICE_START_MS } from '../support/services.ts';

const LIFE =
  'levels: [{interval: 1s}, {interval: 3s}]\nsnapshot: {interval: 3s, retention: 1h}\nl0-retention: 2s\nl0-retention-check-interval: 1s\n';

type Name = 'a' | 'b';

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

function configure(written: Written, more: (name: Name) => readonly string[]): void {
  for (const name of ['a', 'b'] as const) {
    const lines = [...written('shared'), 'sync-interval: 100ms', ...more(name)].map((line) => `      ${line}`);
    scene.write(
      `${name}.yml`,
      [LIFE, 'dbs:', `  - path: ${name}.db`, '    monitor-interval: 50ms', '    replica:', ...lines, ''].join('\n'),
    );
  }
}

const daemonOf = (name: Name): Promise<Daemon> => scene.daemon('-config', `${name}.yml`);
const statusOf = async (name: Name): Promise<string> => (await scene.run('status', '-json', '-config', `${name}.yml`, `${name}.db`)).stdout;
const synced = (name: Name) =>
  expect.poll(async () => (await scene.run('sync', '-wait', '-config', `${name}.yml`, `${name}.db`)).status, POLL).toBe(0);

let turn = 0;
const write = (name: Name): void => scene.insert(`${name}${turn++}`, `${name}.db`);

/** What a restore from the replica holds. */
async function restored(name: Name): Promise<string[]> {
  const output = `restored-${turn++}.db`;
  const { status, stderr } = await scene.run('restore', '-config', `${name}.yml`, '-o', output, `${name}.db`);
  expect(status, stderr).toBe(0);
  return scene.bodies(output);
}

/** Both write until one of them says that it is not alone. */
async function collide(): Promise<{ readonly loser: Name; readonly winner: Name }> {
  for (let tries = 0; tries < 60; tries++) {
    write('a');
    write('b');
    for (const [loser, winner] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const)
      if ((await statusOf(loser)).includes('SECOND_WRITER')) return { loser, winner };
  }
  throw new Error('neither noticed the other');
}

describe.each(DESTINATIONS)('$name', (destination) => {
  const reason = destination.service === undefined ? undefined : available(destination.service);

  test.skipIf(reason !== undefined)(
    'the second writer is found at the first collision; the winner goes on and restores to what it has',
    async () => {
      configure(await destination.prepare(scene.directory), () => []);
      write('a');
      write('b');
      const [a, b] = await Promise.all([daemonOf('a'), daemonOf('b')]);
      const { loser, winner } = await collide();
      expect((loser === 'a' ? a : b).output()).toContain('SECOND_WRITER');
      expect((winner === 'a' ? a : b).output()).not.toContain('SECOND_WRITER');
      for (let i = 0; i < 8; i++) {
        write(winner);
        write(loser);
        await synced(winner);
      }
      expect(await restored(winner)).toEqual(scene.bodies(`${winner}.db`));
      const verified = await scene.run('verify', '-config', `${winner}.yml`, `${winner}.db`);
      expect(verified.status, verified.stdout + verified.stderr).toBe(0);
      expect(await statusOf(winner)).not.toContain('SECOND_WRITER');
      expect(await statusOf(loser)).toContain('SECOND_WRITER');
    },
    SERVICE_START_MS + 180_000,
  );

  // The others have no lease.
  if (!LEASED.includes(destination.name)) return;
  test.skipIf(reason !== undefined)(
    'with a lease the second waits and writes nothing, and takes over when the first has died',
    async () => {
      configure(await destination.prepare(scene.directory), (name) => [`lease: {ttl: 3s, owner: machine-${name}}`]);
      write('a');
      const a = await daemonOf('a');
      await synced('a');
      write('b');
      const b = await daemonOf('b');
      await expect.poll(() => statusOf('b'), POLL).toContain('machine-a');
      for (let i = 0; i < 4; i++) {
        write('a');
        write('b');
        await synced('a');
      }
      expect(await restored('a')).toEqual(scene.bodies('a.db'));
      expect(a.output() + b.output()).not.toContain('SECOND_WRITER');
      a.child.kill('SIGKILL');
      await synced('b');
      expect(await restored('b')).toEqual(scene.bodies('b.db'));
      write('b');
      await synced('b');
      const verified = await scene.run('verify', '-config', 'b.yml', 'b.db');
      expect(verified.status, verified.stdout + verified.stderr).toBe(0);
      await daemonOf('a');
      await expect.poll(() => statusOf('a'), POLL).toContain('machine-b');
      write('a');
      write('b');
      await synced('b');
      expect(await restored('b')).toEqual(scene.bodies('b.db'));
    },
    SERVICE_START_MS + 180_000,
  );
});
