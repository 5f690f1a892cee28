/** A store that breaks its contract by listing in another order than that of the keys, as some services do. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compactLevel } from '../../src/engine/compaction/compact-level.ts';
import type { MaintenanceSettings } from '../../src/engine/options.ts';
import { listCatalogue } from '../../src/engine/restore/catalogue.ts';
import { NO_TXID } from '../../src/formats/ltx/txid.ts';
import { pathLayout } from '../../src/replica/layout.ts';
import { listLevel } from '../../src/replica/list-level.ts';
import { Replica } from '../../src/replica/replica.ts';
import { Keeper } from '../../src/service/maintenance/keeper.ts';
import type { ObjectInfo } from '../../src/storage/object-store.ts';
import { type ListOptions, WrappedStore } from '../../src/storage/wrap/wrapped-store.ts';
import { Scene } from '../engine/compaction/setting.ts';
import { NaiveDatabase } from '../engine/restore/ltx-files.ts';
import { restore, temporaryDirectory } from '../engine/restore/setting.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { randomFrom } from '../support/random.ts';

/** Lists everything, in whatever order `arrange` makes of it. */
class DisorderedStore extends WrappedStore {
  readonly #arrange: (objects: readonly ObjectInfo[]) => readonly ObjectInfo[];

  constructor(inner: ConstructorParameters<typeof WrappedStore>[0], arrange: (objects: readonly ObjectInfo[]) => readonly ObjectInfo[]) {
    super(inner);
    this.#arrange = arrange;
  }

  override async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    const objects: ObjectInfo[] = [];
    for await (const object of this.inner.list(prefix, options)) objects.push(object);
    yield* this.#arrange(objects);
  }
}

async function filled(): Promise<{ readonly scene: Scene; readonly database: NaiveDatabase }> {
  const scene = new Scene();
  const database = new NaiveDatabase(512, randomFrom(74));
  for (let txid = 1; txid <= 6; txid++) {
    database.step(8);
    await scene.put(database, 0, txid);
  }
  scene.store.calls.length = 0;
  return { scene, database };
}

const MAINTENANCE: MaintenanceSettings = {
  levels: [{ level: 1, intervalMs: 1000 }],
  snapshotIntervalMs: 1000,
  snapshotRetentionMs: 1,
  level0RetentionMs: 1,
  level0CheckMs: 1,
  deletes: true,
  verifyCompaction: false,
};

test('a store that lists out of order is refused by every listing, plan, merge and retention, and nothing is changed there (row 74)', async () => {
  const { scene } = await filled();
  const replica = new Replica(new DisorderedStore(scene.store, (objects) => objects.toReversed()), pathLayout);
  const keeper = new Keeper({
    replica,
    settings: MAINTENANCE,
    clock: new FakeClock(),
    protections: () => ({ txids: [], heldUpTo: NO_TXID }),
    onDeleted: () => {},
  });
  const signal = new AbortController().signal;
  const attempts: Record<string, () => Promise<unknown>> = {
    list: () => listLevel(replica, 0),
    newest: () => replica.newest(0),
    position: () => replica.maxTXID(),
    plan: () => listCatalogue(replica),
    restore: () => restore(replica, { output: join(temporaryDirectory(), 'out.db') }),
    merge: () => compactLevel(1, undefined, { ...scene.tools(), replica }),
    'level-0 retention': () => keeper.pass('level 0', '', signal),
    retention: () => keeper.pass('snapshots', '', signal),
  };
  for (const [what, attempt] of Object.entries(attempts))
    await expect(attempt(), what).rejects.toMatchObject({ code: 'NOT_SUPPORTED', message: expect.stringContaining('comes after') });
  for (const verb of ['put', 'delete'] as const) expect(scene.store.count(verb), verb).toBe(0);
});

test('a key that is listed twice is one file', async () => {
  const { scene, database } = await filled();
  const twice = new Replica(new DisorderedStore(scene.store, (objects) => objects.flatMap((one) => [one, one])), pathLayout);
  expect((await listLevel(twice, 0)).map(({ minTXID }) => Number(minTXID))).toEqual([1, 2, 3, 4, 5, 6]);
  const output = join(temporaryDirectory(), 'out.db');
  await restore(twice, { output });
  expect(readFileSync(output).equals(database.file(6))).toBe(true);
});
