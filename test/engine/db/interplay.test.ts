import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { DatabaseEngine } from '../../../src/engine/database-engine.ts';
import type { App } from '../../support/app-process.ts';
import { AppError } from '../../support/app-process.ts';
import { Random } from '../../support/random.ts';
import { Rebuild } from '../../support/rebuild.ts';
import { Bench } from './bench.ts';

let bench: Bench | undefined;
afterEach(async () => {
  await bench?.end();
  bench = undefined;
});

const CASES = [
  { pageSize: 512, autocheckpoint: 1000 },
  { pageSize: 1024, autocheckpoint: 50 },
  { pageSize: 4096, autocheckpoint: 1000 },
  { pageSize: 8192, autocheckpoint: 0 },
  { pageSize: 65536, autocheckpoint: 10 },
] as const;

for (const { pageSize, autocheckpoint } of CASES) {
  test(`whatever happens around it, every synced state is exactly a committed state (page size ${pageSize})`, async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    console.log(`seed ${seed}, page size ${pageSize}`);
    const made = await Bench.make({ pageSize });
    bench = made.bench;
    await new Interplay(made.bench, made.app, new Random(seed), autocheckpoint).run(Number(process.env.STEPS ?? 120));
  }, 240_000);
}

/** How long an application waits for the write lock: an engine that opens or captures on a busy machine is no reason to fail. */
const PATIENCE = 'PRAGMA busy_timeout = 30000';

/** A busy lock is an ordinary answer while the engine or a reader holds the WAL. */
async function unlessBusy(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof AppError && error.code?.startsWith('SQLITE_BUSY'))) throw error;
  });
}

class Interplay {
  readonly #bench: Bench;
  readonly #app: App;
  readonly #random: Random;
  readonly #autocheckpoint: number;
  readonly #committed = new Set<string>();
  #engine: DatabaseEngine | undefined;
  #readers = 0;

  constructor(bench: Bench, app: App, random: Random, autocheckpoint: number) {
    this.#bench = bench;
    this.#app = app;
    this.#random = random;
    this.#autocheckpoint = autocheckpoint;
  }

  async run(steps: number): Promise<void> {
    await this.#app.exec(`PRAGMA wal_autocheckpoint = ${this.#autocheckpoint}; ${PATIENCE}`);
    await this.#note();
    for (let step = 0; step < steps; step++) await this.#step();
    this.#engine ??= this.#open();
    await this.#verify();
    await this.#engine.close();
    await this.#verifyHistory();
  }

  #open(): DatabaseEngine {
    const limit = this.#random.pick([Number.POSITIVE_INFINITY, 20_000]);
    return this.#bench.engine({ busyTimeoutMs: 50, maxSyncWALBytes: limit });
  }

  async #step(): Promise<void> {
    const dice = this.#random.below(100);
    if (dice < 45) return this.#commit();
    if (dice < 52) return this.#maintain();
    if (dice < 62) return this.#foreignCheckpoint();
    if (dice < 66) return this.#toggleReader();
    if (dice < 69) return this.#reopenApp();
    if (dice < 74) return this.#toggleEngine();
    if (this.#engine === undefined) return;
    if (dice < 84) return this.#verify();
    if (dice < 92) {
      await this.#engine.checkpoint(this.#random.pick(['PASSIVE', 'PASSIVE', 'TRUNCATE']));
      return;
    }
    if (dice < 97) return this.#snapshot();
    await this.#engine.sync();
  }

  async #commit(): Promise<void> {
    const size = this.#random.pick([10, 300, 3000, 40_000]);
    const id = this.#random.below(60);
    await this.#app.exec(
      this.#random.pick([
        `INSERT OR REPLACE INTO t (id, body) VALUES (${id}, randomblob(${size}))`,
        `DELETE FROM t WHERE id % 7 = ${id % 7}`,
        `BEGIN; INSERT OR REPLACE INTO t (id, body) VALUES (${id}, randomblob(${size})); UPDATE t SET body = zeroblob(100) WHERE id = ${id + 1}; COMMIT`,
        `BEGIN; CREATE TABLE IF NOT EXISTS u${id % 3} (x); INSERT INTO u${id % 3} VALUES (hex(randomblob(${size % 500}))); COMMIT`,
        `DROP TABLE IF EXISTS u${id % 3}`,
        `BEGIN; INSERT INTO t (body) VALUES (randomblob(9999)); ROLLBACK`,
      ]),
    );
    await this.#note();
  }

  async #maintain(): Promise<void> {
    await unlessBusy(this.#app.exec(this.#random.pick(['VACUUM', 'PRAGMA incremental_vacuum(3)', 'PRAGMA incremental_vacuum'])));
    await this.#note();
  }

  async #foreignCheckpoint(): Promise<void> {
    await this.#app.exec('PRAGMA busy_timeout = 20');
    await unlessBusy(this.#app.checkpoint(this.#random.pick(['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'])));
    await this.#app.exec(PATIENCE);
  }

  async #toggleReader(): Promise<void> {
    if (this.#readers > 0 && this.#random.next() < 0.6) {
      this.#readers--;
      await this.#app.close(`reader${this.#readers}`);
      return;
    }
    const name = `reader${this.#readers++}`;
    await this.#app.exec('BEGIN; SELECT count(*) FROM t', name);
    await this.#app.all('SELECT count(*) FROM t', name);
  }

  async #reopenApp(): Promise<void> {
    await this.#app.run((app) => app.closeAll());
    this.#readers = 0;
    await this.#app.exec(`PRAGMA wal_autocheckpoint = ${this.#autocheckpoint}; ${PATIENCE}`);
  }

  async #toggleEngine(): Promise<void> {
    if (this.#engine === undefined) this.#engine = this.#open();
    else {
      await this.#engine.close();
      this.#engine = undefined;
    }
  }

  async #snapshot(): Promise<void> {
    const { path } = (await this.#engine?.snapshot(this.#bench.directory)) ?? {};
    if (path === undefined) return;
    const copy = join(this.#bench.directory, 'snapshot.db');
    new Rebuild().apply(path).writeTo(copy);
    expect(await this.#app.digestFile(copy)).toBe(await this.#app.digest());
  }

  async #note(): Promise<void> {
    this.#committed.add(await this.#app.digest());
  }

  async #verify(): Promise<void> {
    await this.#engine?.sync();
    expect(await this.#bench.replicaDigest(this.#app)).toBe(await this.#app.digest());
  }

  /** Also the states that nobody looked at when they were synced. */
  async #verifyHistory(): Promise<void> {
    const rebuild = new Rebuild();
    const path = join(this.#bench.directory, 'history.db');
    for (const file of this.#bench.files) {
      rebuild.apply(file).writeTo(path);
      expect(this.#committed.has(await this.#app.digestFile(path)), `state of ${file}`).toBe(true);
    }
    console.log(`${this.#bench.files.length} files, full: ${JSON.stringify(this.#bench.fullReasons)}`);
  }
}
