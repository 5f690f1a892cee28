import { afterEach, describe, expect, test } from 'vitest';
import type { DatabaseEngine } from '../../../src/engine/database-engine.ts';
import { nodePublishFS, type PublishFS } from '../../../src/engine/db/publish-fs.ts';
import type { App } from '../../support/app-process.ts';
import { Random } from '../../support/random.ts';
import { Bench } from './bench.ts';
import { EngineProcess } from './engine-process.ts';

let bench: Bench | undefined;
const processes: EngineProcess[] = [];
afterEach(async () => {
  for (const process of processes.splice(0)) await process.kill();
  await bench?.end();
  bench = undefined;
});

const CHANGING = ['mkdir', 'open', 'write', 'sync', 'close', 'rename', 'syncDirectory', 'remove'] as const;

/** The real file operations, until number `cut` of those that change something: from there on nothing happens any more, as after a crash. */
class CutFS {
  readonly operations: string[] = [];
  readonly fs: PublishFS;

  constructor(cut: number, options: { readonly half?: boolean; readonly error?: () => Error } = {}) {
    const step = (name: string): void => {
      this.operations.push(name);
      if (this.operations.length > cut) throw (options.error ?? (() => new Error(`crashed at ${name}`)))();
    };
    const wrapped: Record<string, unknown> = { exists: nodePublishFS.exists };
    for (const name of CHANGING) {
      wrapped[name] = (...values: never[]) => {
        if (name === 'write' && options.half && this.operations.length === cut) {
          const [fd, path, bytes] = values as unknown as [number, string, Uint8Array];
          nodePublishFS.write(fd, path, bytes.subarray(0, bytes.length / 2));
        }
        step(name);
        return (nodePublishFS[name] as (...values: never[]) => unknown)(...values);
      };
    }
    this.fs = wrapped as unknown as PublishFS;
  }
}

const insert = (app: App): Promise<void> => app.exec('INSERT INTO t (body) VALUES (randomblob(3000))');

describe('a crash at any file operation', () => {
  test('leaves nothing wrong and loses nothing, in the first file and in an increment (row 63)', async () => {
    for (const half of [false, true]) {
      for (let cut = 0, survived = false; !survived; cut++) {
        const made = await Bench.make();
        bench = made.bench;
        const { app } = made;
        await insert(app);
        const { fs, operations } = new CutFS(cut, { half });
        const engine = bench.engine({}, { fs });
        const first = await settled(engine);
        await insert(app);
        const second = await settled(engine);
        await engine.close().catch(() => {});
        survived = first && second && operations.length <= cut;
        if (bench.files.length > 0) await expectValid(bench, app);
        await insert(app);
        const next = bench.engine();
        await next.sync();
        expect(await bench.replicaDigest(app), `cut at ${cut}: ${operations.join(' ')}`).toBe(await app.digest());
        await bench.end();
        expect(cut).toBeLessThan(60);
      }
    }
  }, 300_000);

  test('a failure of any single step is decided again in the same way and passes when the trouble has passed (row 38)', async () => {
    for (let cut = 6; cut < 22; cut++) {
      const made = await Bench.make();
      bench = made.bench;
      const { app } = made;
      let broken = false;
      let steps = 0;
      const fs = { ...nodePublishFS };
      for (const name of ['open', 'write', 'sync', 'close', 'rename', 'syncDirectory'] as const) {
        (fs as Record<string, unknown>)[name] = (...values: never[]) => {
          if (broken && ++steps === cut - 5) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
          return (nodePublishFS[name] as (...values: never[]) => unknown)(...values);
        };
      }
      const engine = bench.engine({}, { fs });
      await engine.sync();
      await insert(app);
      await engine.checkpoint('PASSIVE');
      broken = true;
      await insert(app);
      await engine.sync().catch(() => {});
      broken = false;
      await engine.sync();
      expect(await bench.replicaDigest(app)).toBe(await app.digest());
      expect(bench.fullReasons).toEqual(['first file']);
      await bench.end();
    }
  }, 240_000);
});

describe('a full disk', () => {
  test('is one clear state, is retried, and leaves no temporary file (row 83)', async () => {
    const made = await Bench.make();
    bench = made.bench;
    const { app } = made;
    let full = false;
    const fs: PublishFS = {
      ...nodePublishFS,
      write: (fd, path, bytes) => {
        if (full) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
        nodePublishFS.write(fd, path, bytes);
      },
    };
    const { stage } = await import('../../../src/engine/db/publish-fs.ts');
    const staged: PublishFS = { ...fs, write: (fd, path, bytes) => stage('write', path, () => fs.write(fd, path, bytes)) };
    const engine = bench.engine({ monitorIntervalMs: 5, pollIntervalMs: 20 }, { fs: staged });
    await engine.sync();
    full = true;
    await insert(app);
    await expect(engine.sync()).rejects.toMatchObject({ code: 'DISK_FULL', details: { stage: 'write' } });
    await expect.poll(async () => (await engine.status()).error?.code).toBe('DISK_FULL');
    await expect
      .poll(() => engine.status())
      .toMatchObject({
        state: 'failing',
        pendingWALBytes: expect.toSatisfy((bytes: number) => bytes > 0),
        pendingSince: expect.anything(),
      });
    await expect.poll(() => made.bench.events.some((event) => event.type === 'pass' && event.diskFull)).toBe(true);
    full = false;
    await expect.poll(async () => (await engine.status()).state).toBe('replicating');
    expect(await bench.replicaDigest(app)).toBe(await app.digest());
  });
});

test('a daemon that is killed again and again loses nothing and never publishes a state that was not committed (row 10)', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  const made = await Bench.make();
  bench = made.bench;
  const { app } = made;
  const committed = new Set([await app.digest()]);
  for (let round = 0; round < 12; round++) {
    const engine = await EngineProcess.start(bench, processes, {
      monitorIntervalMs: 2,
      pollIntervalMs: 20,
      minCheckpointPages: 20,
      checkpointIntervalMs: 30,
    });
    const deadline = performance.now() + 100 + random.below(300);
    while (performance.now() < deadline) {
      await insert(app);
      committed.add(await app.digest());
      if (random.next() < 0.1) await app.checkpoint('PASSIVE');
    }
    await engine.kill();
    if (random.next() < 0.5) {
      await insert(app);
      committed.add(await app.digest());
      if (random.next() < 0.5) await app.checkpoint('TRUNCATE');
    }
    await app.exec('DELETE FROM t WHERE id % 4 <> 0');
    committed.add(await app.digest());
  }
  const engine = bench.engine();
  await engine.sync();
  expect(await bench.replicaDigest(app)).toBe(await app.digest());
  const files = bench.files.length;
  for (let i = 0; i < 25; i++) {
    const count = 1 + random.below(files);
    expect(committed.has(await bench.replicaDigest(app, count)), `state after file ${count}`).toBe(true);
  }
}, 240_000);

test('an application that is killed in the middle of commits leaves nothing in the log that it has not committed', async () => {
  const made = await Bench.make();
  bench = made.bench;
  const engine: DatabaseEngine = bench.engine({ monitorIntervalMs: 2, pollIntervalMs: 20 });
  await engine.sync();
  let observer = made.app;
  for (let round = 0; round < 6; round++) {
    const writer = await bench.app();
    await writer.run((context) => {
      const db = context.open();
      db.pragma('synchronous = FULL');
      const statement = db.prepare('INSERT INTO t (body) VALUES (randomblob(9000))');
      const step = () => {
        statement.run();
        setImmediate(step);
      };
      step();
    });
    await new Promise((resolve) => setTimeout(resolve, 60));
    await writer.kill();
    await engine.sync();
    expect(await bench.replicaDigest(observer)).toBe(await observer.digest());
    observer = round === 2 ? await bench.app() : observer;
  }
  expect(bench.fullReasons).toEqual(['first file']);
}, 240_000);

async function settled(engine: DatabaseEngine): Promise<boolean> {
  return engine.sync().then(
    () => true,
    () => false,
  );
}

/** Whatever is visible is whole and in order. */
async function expectValid(bench: Bench, app: App): Promise<void> {
  expect(await bench.replicaDigest(app)).not.toMatch(/integrity_check/);
}
