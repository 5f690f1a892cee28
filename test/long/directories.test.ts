/** Hundreds of databases in a watched directory (upstream issue 1055). */

import { expect, test } from 'vitest';
import { createMany } from '../e2e/many-databases.ts';
import { interrupt, Scene } from '../e2e/scene.ts';

test('300 databases that appear while the daemon runs are all replicated and can be restored, and a restart finds them', async () => {
  const scene = new Scene();
  try {
    scene.write(
      'litestream.yml',
      'dbs:\n  - dir: data\n    pattern: "*.db"\n    recursive: true\n    watch: true\n    replica:\n      path: replicas\n      sync-interval: 50ms\n',
    );
    for (const round of ['they appear', 'they are there']) {
      const daemon = await scene.daemon();
      const names = round === 'they appear' ? await createMany(scene, 300) : [];
      const count = async () =>
        ((await scene.json('databases')) as readonly { readonly state: string }[]).filter(({ state }) => state === 'replicating').length;
      await expect.poll(count, { timeout: 120_000, interval: 1000 }).toBe(300);
      expect(await interrupt(daemon), daemon.output()).toBe(0);
      for (const [index, name] of names.entries()) {
        if (index % 60 !== 0) continue;
        await scene.ok('restore', '-o', `restored-${index}.sqlite`, `data/${name}`);
        expect(scene.bodies(`restored-${index}.sqlite`)).toEqual([name]);
      }
    }
  } finally {
    await scene.end();
  }
}, 600_000);
