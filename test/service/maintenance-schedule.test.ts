/** When the maintenance of a replica does what, with a clock that tests move and an engine that says what they want. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import type { Logger } from '../../src/base/log.ts';
import type { EngineState } from '../../src/engine/events.ts';
import type { MaintenanceSettings } from '../../src/engine/options.ts';
import { listCatalogue } from '../../src/engine/restore/catalogue.ts';
import { restorablePoints } from '../../src/engine/restore/points.ts';
import { LocalLog } from '../../src/engine/upload/local-log.ts';
import { type TXID, toTXID } from '../../src/formats/ltx/txid.ts';
import type { Level } from '../../src/replica/file-info.ts';
import { pathLayout } from '../../src/replica/layout.ts';
import { Replica } from '../../src/replica/replica.ts';
import type { CompanionContext } from '../../src/service/companions/companion.ts';
import { Staging } from '../../src/service/local/staging.ts';
import { Maintenance, maintenanceOf, makeMaintenance } from '../../src/service/maintenance/maintenance.ts';
import type { ReplicaStatus } from '../../src/service/service.ts';
import { bytesBody } from '../../src/storage/body.ts';
import { MemoryStore } from '../../src/storage/memory/memory.ts';
import { runJobHere } from '../../src/workers/job-kinds.ts';
import { encode, NaiveDatabase } from '../engine/restore/ltx-files.ts';
import { temporaryDirectory } from '../engine/restore/setting.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FaultStore } from '../support/fault-store.ts';
import { ManualScheduler } from '../support/manual-scheduler.ts';
import { randomFrom } from '../support/random.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const SETTINGS: MaintenanceSettings = {
  levels: [
    { level: 1, intervalMs: MINUTE },
    { level: 2, intervalMs: 10 * MINUTE },
  ],
  snapshotIntervalMs: HOUR,
  snapshotRetentionMs: 2 * HOUR,
  level0RetentionMs: 5 * MINUTE,
  level0CheckMs: MINUTE,
  deletes: true,
  verifyCompaction: false,
};

class Scene {
  readonly clock = new FakeClock();
  readonly scheduler = new ManualScheduler();
  readonly store = new FaultStore(new MemoryStore());
  readonly replica = new Replica(this.store, pathLayout);
  readonly counts: string[] = [];
  readonly snapshots: number[] = [];
  readonly maintenance: Maintenance;
  status: Partial<ReplicaStatus> = {};
  /** It has not said where it is. */
  isSilent = false;
  engine: { state: EngineState; since: number } = { state: 'waiting', since: 0 };
  #position = 0;
  readonly #database = new NaiveDatabase(512, randomFrom(11));

  constructor(more: Partial<MaintenanceSettings> = {}) {
    const scene = this;
    const directory = temporaryDirectory();
    const log: Logger = { log: () => {}, with: () => log };
    const handle = {
      settings: { name: 'one', maintenance: { ...SETTINGS, ...more } },
      replica: this.replica,
      get position(): TXID | undefined {
        return scene.isSilent ? undefined : toTXID(scene.#position);
      },
      status: () => scene.status,
    };
    const database = {
      settings: { name: 'app', pageForm: 'block' },
      status: async () => ({ engine: { ...scene.engine, txid: toTXID(scene.#position) } }),
      snapshot: async () => scene.putSnapshot(),
    };
    const context = {
      database,
      replica: handle,
      scheduler: this.scheduler,
      clock: this.clock,
      log,
      staging: new Staging(directory),
      local: new LocalLog(join(directory, 'ltx', '0')),
      runJob: runJobHere,
      count: (what: string, amount = 1) => void this.counts.push(...Array<string>(amount).fill(what)),
    } as unknown as CompanionContext;
    const made = makeMaintenance(context);
    if (!(made instanceof Maintenance)) throw new Error('there is no maintenance');
    expect(maintenanceOf(context.replica)).toBe(made);
    this.maintenance = made;
    made.start();
  }

  /** Commits so many transactions, a second apart. */
  async commit(count: number): Promise<void> {
    for (let at = 0; at < count; at++) {
      await this.clock.advance(1000);
      this.#database.step(8);
      this.#position += 1;
      await this.#put(0, this.#position, this.#position);
    }
  }

  async putSnapshot() {
    this.snapshots.push(this.#position);
    return this.#put(9, 1, this.#position);
  }

  async ranges(level: Level): Promise<string> {
    const ranges: string[] = [];
    for await (const { minTXID, maxTXID } of this.replica.list(level)) ranges.push(`${minTXID}-${maxTXID}`);
    return ranges.join(' ');
  }

  run(name: string): Promise<void> {
    return this.scheduler.run(name);
  }

  /** As the observer does every few seconds; resolves when what it led to is under way. */
  async look(): Promise<void> {
    this.maintenance.look();
    await this.clock.advance(5000);
  }

  /** Moves on to shortly after the next multiple of `ms`. */
  async until(ms: number): Promise<void> {
    await this.clock.advance(ms - (this.clock.now() % ms) + 100);
  }

  async #put(level: Level, min: number, max: number) {
    const createdAt = this.clock.now();
    const bytes = encode(512, min, max, this.#database.range(min, max), createdAt);
    return this.replica.write(level, toTXID(min), toTXID(max), bytesBody(bytes), { createdAt });
  }
}

test('a level that was merged in this period is not merged again after a restart', async () => {
  const scene = new Scene();
  await scene.commit(3);
  await scene.until(MINUTE);
  await scene.commit(2);
  await scene.run('level 1');
  expect(await scene.ranges(1)).toBe('1-5');
  await scene.commit(2);
  await scene.run('level 1');
  expect(await scene.ranges(1)).toBe('1-5');
  await scene.until(MINUTE);
  await scene.run('level 1');
  expect(await scene.ranges(1)).toBe('1-5 6-7');
});

test('level 0 goes when it has come of age, and not one request before is made in vain', async () => {
  const scene = new Scene({ snapshotIntervalMs: 24 * HOUR });
  await scene.commit(5);
  await scene.until(MINUTE);
  await scene.run('level 1');
  await scene.run('level-0 retention');
  expect(await scene.ranges(0)).toBe('1-1 2-2 3-3 4-4 5-5');
  scene.store.calls.length = 0;
  for (let minute = 0; minute < 4; minute++) {
    await scene.until(MINUTE);
    await scene.run('level-0 retention');
  }
  expect(scene.store.calls).toEqual([]);
  await scene.until(MINUTE);
  await scene.run('level-0 retention');
  expect(await scene.ranges(0)).toBe('5-5');
  expect(scene.counts.filter((what) => what === 'retention_deleted_files')).toHaveLength(4);
});

test('what is known of the upper levels is not believed where it stands for files of level 0: those are kept when it is gone', async () => {
  const scene = new Scene({ snapshotIntervalMs: 24 * HOUR });
  const minute = async () => {
    await scene.commit(3);
    await scene.until(MINUTE);
    await scene.run('level 1');
  };
  for (let count = 0; count < 8; count++) await minute();
  // A pass has deleted, and remembers the upper levels for ten minutes.
  const [oldest = ''] = (await scene.ranges(0)).split(' ');
  const first = Number(oldest.split('-')[0]);
  expect(first).toBeGreaterThan(1);
  const lost = (await scene.ranges(1)).split(' ').find((range) => Number(range.split('-')[0]) > first) ?? '';
  const [min = 0, max = 0] = lost.split('-').map(Number);
  await scene.store.delete([scene.replica.key(1, { minTXID: toTXID(min), maxTXID: toTXID(max) })]);
  scene.store.calls.length = 0;
  for (let count = 0; count < 7; count++) await minute();
  const left = (await scene.ranges(0)).split(' ').map((range) => Number(range.split('-')[0]));
  // The last of those before may stay as well: the chain goes on from it.
  expect(left[0]).toBeGreaterThanOrEqual(min - 1);
  expect(left).toEqual(expect.arrayContaining(Array.from({ length: max - min + 1 }, (_, index) => min + index)));
});

test('a pass over level 0 asks for two levels, however long level 1 is, and comes after every other merge', async () => {
  const scene = new Scene({ snapshotIntervalMs: 24 * HOUR });
  const minute = async () => {
    await scene.commit(3);
    await scene.until(MINUTE);
    await scene.run('level 1');
    await scene.run('level-0 retention');
  };
  for (let count = 0; count < 8; count++) await minute();
  scene.store.calls.length = 0;
  for (let count = 0; count < 8; count++) await minute();
  // A merge lists its source, a pass levels 0 and 1, and once in this time all the others.
  expect(scene.store.count('list')).toBeLessThanOrEqual(8 + 4 * 2 + 9);
});

test('snapshots come and go with the hours, and every moment of the last two hours keeps its base', async () => {
  const scene = new Scene({ level0RetentionMs: 1 });
  for (let hour = 0; hour < 6; hour++) {
    await scene.commit(2);
    await scene.run('level 1');
    await scene.until(HOUR);
    await scene.run(`snapshot of`);
  }
  // Of 2, 4, 6, 8, 10, 12 the one at 8 is two hours old: it is what moments since then begin with.
  expect(await scene.ranges(9)).toBe('1-8 1-10 1-12');
  expect((await scene.ranges(1)).split(' ')[0]).toBe('5-6');
});

test('a snapshot waits for an engine that is about to open, but not for one that does not', async () => {
  const scene = new Scene();
  await scene.commit(3);
  scene.engine = { state: 'starting', since: scene.clock.now() };
  await scene.run('snapshot of');
  expect(await scene.ranges(9)).toBe('');
  scene.engine = { state: 'replicating', since: scene.clock.now() };
  await scene.run('level 1');
  await expect.poll(() => scene.snapshots).toEqual([3]);
  await scene.commit(1);
  await scene.until(HOUR);
  scene.engine = { state: 'starting', since: scene.clock.now() - HOUR };
  await scene.run('snapshot of');
  expect(scene.snapshots).toEqual([3]);
  expect(await scene.ranges(9)).toBe('1-3 1-4');
});

test('what is due while the database does not open, and nothing is known of its replica, is done soon after, not an interval later (row 72)', async () => {
  const LONG = { snapshotIntervalMs: 24 * HOUR };
  for (const settings of [
    LONG,
    { ...LONG, levels: [] },
    { ...LONG, levels: [{ level: 1, intervalMs: HOUR }], level0RetentionMs: 0 },
  ] as const) {
    const scene = new Scene(settings);
    await scene.commit(3);
    scene.isSilent = true;
    scene.engine = { state: 'starting', since: scene.clock.now() };
    for (const name of scene.scheduler.names) await scene.run(name);
    await scene.look();
    expect(scene.store.count('list')).toBe(0);
    // The replica answers before the database can be opened.
    scene.isSilent = false;
    await scene.look();
    expect(await scene.ranges(9)).toBe('');
    scene.engine = { state: 'replicating', since: scene.clock.now() };
    await scene.look();
    await expect.poll(() => scene.snapshots).toEqual([3]);
  }
});

test('the first snapshot comes as soon as the replica holds something, however long the interval', async () => {
  for (const next of ['look', 'level 1'] as const) {
    const scene = new Scene({ snapshotIntervalMs: 24 * HOUR });
    scene.engine = { state: 'replicating', since: scene.clock.now() };
    for (const name of scene.scheduler.names) await scene.run(name);
    await scene.look();
    scene.store.calls.length = 0;
    for (const name of scene.scheduler.names.filter((one) => !one.startsWith('snapshot'))) await scene.run(name);
    await scene.look();
    expect(scene.store.calls, 'an empty replica is left alone').toEqual([]);
    await scene.commit(2);
    if (next === 'look') await scene.look();
    else await scene.run(next);
    await expect.poll(() => scene.snapshots).toEqual([2]);
    await scene.commit(2);
    for (const name of scene.scheduler.names) await scene.run(name);
    await scene.look();
    expect(scene.snapshots).toEqual([2]);
  }
});

test('a moment with nothing to do counts as a look, and costs no request', async () => {
  const scene = new Scene({ snapshotIntervalMs: 24 * HOUR });
  await scene.commit(3);
  await scene.run('level 1');
  await scene.run('level-0 retention');
  const before = scene.maintenance.facts().maintenance?.compactedAt?.[1];
  expect(before).toBe(scene.clock.now());
  scene.store.calls.length = 0;
  await scene.until(MINUTE);
  await scene.run('level 1');
  await scene.run('level-0 retention');
  expect(scene.store.calls).toEqual([]);
  expect(scene.maintenance.facts().maintenance).toEqual({ compactedAt: { 1: scene.clock.now() }, retentionAt: scene.clock.now() });
});

test('what has failed is tried again after ten seconds, though nothing else is due', async () => {
  const scene = new Scene();
  await scene.commit(3);
  const error = new LitestreamError('STORAGE_UNAVAILABLE', 'the test has cut the line');
  scene.store.script({ on: 'list', fault: { type: 'error', error }, times: Number.POSITIVE_INFINITY });
  await scene.run('level 1');
  expect(scene.maintenance.facts().troubles).toHaveLength(1);
  scene.store.heal();
  await scene.look();
  expect(scene.maintenance.facts().troubles).toHaveLength(1);
  await scene.clock.advance(15_000);
  await scene.look();
  await expect.poll(() => scene.maintenance.facts().troubles).toBeUndefined();
  expect(await scene.ranges(1)).toBe('1-3');
});

test('without levels nothing is merged and level 0 stays; without deletes everything does', async () => {
  const plain = new Scene({ levels: [], level0RetentionMs: 1, snapshotRetentionMs: 1 });
  expect(plain.scheduler.names).toEqual(['snapshot of app/one', 'retention of app/one']);
  const kept = new Scene({ deletes: false, level0RetentionMs: 1, snapshotRetentionMs: 1 });
  for (const scene of [plain, kept]) {
    for (let hour = 0; hour < 3; hour++) {
      await scene.commit(2);
      await scene.until(HOUR);
      await scene.maintenance.runAll(new AbortController().signal);
    }
    expect(await scene.ranges(0)).toBe('1-1 2-2 3-3 4-4 5-5 6-6');
  }
  expect(await plain.ranges(9)).toBe('1-6');
  expect(await kept.ranges(9)).toBe('1-2 1-4 1-6');
  expect(kept.store.count('delete')).toBe(0);
});

test('the chain of the newest proof outlives its time', async () => {
  for (const isProven of [true, false]) {
    const scene = new Scene({ snapshotRetentionMs: 1, level0RetentionMs: 1 });
    if (isProven) scene.status = { proof: { outcome: 'failed', at: 0, reasons: [], lastPassed: { txid: toTXID(2), at: 0 } } };
    for (let hour = 0; hour < 5; hour++) {
      await scene.commit(2);
      await scene.until(HOUR);
      await scene.run('level 1');
      await scene.run('snapshot of');
    }
    const points = restorablePoints(await listCatalogue(scene.replica)).map(({ txid }) => txid);
    expect(points.includes(toTXID(2))).toBe(isProven);
    expect(points).not.toContain(4n);
    expect(points).toContain(10n);
  }
});

test('nothing is touched while a lease is not ours', async () => {
  const scene = new Scene();
  await scene.commit(3);
  scene.store.calls.length = 0;
  scene.status = { lease: { state: 'waiting' } };
  for (const name of ['level 1', 'level 2', 'snapshot of', 'retention']) await scene.run(name);
  expect(scene.store.calls).toEqual([]);
  scene.status = { lease: { state: 'held' } };
  await scene.run('level 1');
  expect(await scene.ranges(1)).toBe('1-3');
});
