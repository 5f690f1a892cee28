/**
 * A soak: a daemon and an application that writes in bursts, vacuums, deletes everything and does nothing, for as long as is wanted, with the
 * life of a replica at a pace of seconds. What must stay bounded is measured from outside.
 */

import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { Daemon } from '../bench/daemon.ts';
import { descriptors, residentBytes } from '../bench/proc.ts';
import { Scene } from '../bench/scene.ts';
import { litestream } from '../processes.ts';

const SETTINGS = [
  'sync-interval: 100ms',
  'levels: [{interval: 1s}, {interval: 3s}, {interval: 6s}]',
  'snapshot: {interval: 8s, retention: 16s}',
  'l0-retention: 2s',
  'l0-retention-check-interval: 1s',
  'verify-compaction: true',
  'verify-interval: 10s',
];

/** The longest schedule above: an idle database has nothing left to do after so long. ms */
const SETTLING = 10_000;
/** How long it then has to do nothing, ms, and how often it is looked at for that: on a busy machine what is due comes late. */
const IDLE = 4000;
const LOOKS = 6;
const BURST = 4000;
const MIB = 1024 * 1024;
/** Files are looked at a little later than the metrics; so much may be written meanwhile, bytes. */
const BETWEEN = 4 * MIB;

/** The budgets a soak is held to; docs/performance.md tells them. */
export const BUDGETS = {
  /** Bytes put per byte captured from the WAL, all levels and snapshots together. */
  writeAmplification: 5,
  /** Bytes at the replica, per byte of the largest database so far, and besides what may have been put within the retention. */
  remotePerDatabase: 4,
  /** Bytes of the WAL at any time, besides those of a VACUUM, which writes the whole database through it. */
  wal: 64 * MIB,
  /** What a VACUUM may add, per byte of the largest database so far. */
  walPerDatabase: 2,
  /** Local files beyond those of the last six minutes (five are kept), bytes. */
  localOld: 1 * MIB,
  /** All local files, per byte of the largest database so far, and besides what was captured within those six minutes: nothing is written in full again and again. */
  localPerDatabase: 2,
  /** Growth of resident memory from the end of the first cycle to that of the last, bytes. */
  memory: 64 * MIB,
  /** Growth of open descriptors over the same time. */
  descriptors: 8,
} as const;

export interface SoakReport {
  readonly seconds: number;
  readonly cycles: number;
  readonly transactions: number;
  readonly capturedBytes: number;
  readonly putBytes: number;
  readonly worstWAL: number;
  readonly worstLocal: number;
  readonly worstRemote: number;
  readonly memoryGrowth: number;
  readonly descriptorGrowth: number;
  /** Whole sentences; empty when every budget holds. */
  readonly violations: readonly string[];
}

/** Runs whole cycles until `seconds` have passed; at least two. */
export async function soak(seconds: number, say: (line: string) => void): Promise<SoakReport> {
  return Scene.with('soak', async (scene) => {
    const run = new Soak(scene, say);
    return run.go(seconds);
  });
}

/** Bytes since the start, at a moment. */
interface Total {
  readonly at: number;
  readonly bytes: number;
}

class Soak {
  readonly #scene: Scene;
  readonly #say: (line: string) => void;
  readonly #violations: string[] = [];
  readonly #puts: Total[] = [];
  readonly #captured: Total[] = [];
  readonly #ends: { readonly memory: number; readonly descriptors: number }[] = [];
  #transactions = 0;
  #largest = 0;
  #worst = { wal: 0, local: 0, remote: 0 };

  constructor(scene: Scene, say: (line: string) => void) {
    this.#scene = scene;
    this.#say = say;
  }

  get #path(): string {
    return this.#scene.path('app.db');
  }

  async go(seconds: number): Promise<SoakReport> {
    const db = this.#makeDatabase();
    const daemon = await Daemon.start(this.#scene, { databases: [this.#path], settings: SETTINGS });
    const begun = performance.now();
    try {
      for (let cycle = 1; cycle <= 2 || performance.now() - begun < seconds * 1000; cycle++) {
        await this.#cycle(cycle, db, daemon);
      }
      return await this.#report((performance.now() - begun) / 1000, daemon);
    } finally {
      db.close();
      await daemon.stop();
      await this.#checkRestore();
    }
  }

  #makeDatabase(): Database.Database {
    const db = new Database(this.#path, { timeout: 10_000 });
    db.pragma('journal_mode = WAL');
    db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB); CREATE INDEX i ON t (body)');
    return db;
  }

  async #cycle(cycle: number, db: Database.Database, daemon: Daemon): Promise<void> {
    await this.#burst(db, daemon, 2);
    if (cycle % 2 === 0) db.exec('VACUUM');
    await this.#measure(daemon);
    await this.#burst(db, daemon, 30);
    if (cycle % 3 === 0) db.exec('DELETE FROM t');
    await this.#measure(daemon);
    await this.#idle(daemon);
    this.#ends.push({ memory: residentBytes(daemon.pid), descriptors: descriptors(daemon.pid) });
    const { wal, local, remote } = this.#worst;
    this.#say(
      `cycle ${cycle}: ${this.#transactions} transactions; at most ${wal} bytes of WAL, ${local} local, ${remote} remote; ` +
        `${residentBytes(daemon.pid)} resident, ${descriptors(daemon.pid)} descriptors`,
    );
  }

  /** `rows` a transaction, about a hundred transactions a second. */
  async #burst(db: Database.Database, daemon: Daemon, rows: number): Promise<void> {
    const insert = db.prepare('INSERT INTO t (body) VALUES (randomblob(?))');
    const thin = db.prepare('DELETE FROM t WHERE id % 10 = ?');
    const end = performance.now() + BURST;
    for (let measuredAt = 0; performance.now() < end; ) {
      db.transaction(() => {
        for (let row = 0; row < rows; row++) insert.run(200 + ((this.#transactions * 37 + row * 101) % 400));
        if (this.#transactions % 50 === 0) thin.run((this.#transactions / 50) % 10);
      })();
      this.#transactions++;
      await sleep(8);
      if (performance.now() - measuredAt < 1000) continue;
      measuredAt = performance.now();
      await this.#measure(daemon);
    }
  }

  /** After everything scheduled has had its time nothing is put any more, but the record of a verification that happens to be due. */
  async #idle(daemon: Daemon): Promise<void> {
    await sleep(SETTLING);
    let before = await puts(daemon);
    const seen: number[] = [];
    while (seen.at(-1) !== 0 && seen.length < LOOKS) {
      await sleep(IDLE);
      const after = await puts(daemon);
      seen.push(after - before);
      before = after;
    }
    if (seen.at(-1) !== 0) this.#violations.push(`an idle database put ${seen.join(', ')} objects in ${IDLE / 1000} s each`);
  }

  async #measure(daemon: Daemon): Promise<void> {
    const now = Date.now();
    const metrics = await daemon.metrics();
    this.#puts.push({ at: now, bytes: metrics.sum('litestream_replica_operation_bytes', { operation: 'PUT' }) });
    this.#captured.push({ at: now, bytes: metrics.sum('litestream_total_wal_bytes') });
    this.#largest = Math.max(this.#largest, sizeOf(this.#path));
    const wal = sizeOf(`${this.#path}-wal`);
    const local = files(this.#scene.path('.app.db-litestream'));
    const remote = files(this.#scene.path('replicas')).reduce((sum, { size }) => sum + size, 0);
    const old = local.filter(({ at }) => at < now - 6 * 60_000).reduce((sum, { size }) => sum + size, 0);
    const kept = local.reduce((sum, { size }) => sum + size, 0);
    this.#worst = {
      wal: Math.max(this.#worst.wal, wal),
      local: Math.max(this.#worst.local, kept),
      remote: Math.max(this.#worst.remote, remote),
    };
    this.#hold('the WAL', wal, BUDGETS.wal + BUDGETS.walPerDatabase * this.#largest);
    this.#hold('local files older than six minutes', old, BUDGETS.localOld);
    this.#hold('the local state', kept, BUDGETS.localPerDatabase * this.#largest + within(this.#captured, now, 6 * 60_000) + BETWEEN);
    this.#hold(
      'the replica',
      remote,
      BUDGETS.remotePerDatabase * this.#largest + within(this.#puts, now, 16_000 + 2 * 8000 + SETTLING) + BETWEEN,
    );
  }

  #hold(what: string, bytes: number, limit: number): void {
    if (bytes > limit) this.#violations.push(`${what} has ${bytes} bytes, more than ${Math.round(limit)}`);
  }

  async #report(seconds: number, daemon: Daemon): Promise<SoakReport> {
    const metrics = await daemon.metrics();
    const capturedBytes = metrics.sum('litestream_total_wal_bytes');
    const putBytes = metrics.sum('litestream_replica_operation_bytes', { operation: 'PUT' });
    const [first, last] = [this.#ends[0], this.#ends.at(-1)];
    const memoryGrowth = (last?.memory ?? 0) - (first?.memory ?? 0);
    const descriptorGrowth = (last?.descriptors ?? 0) - (first?.descriptors ?? 0);
    this.#hold('put in all', putBytes, BUDGETS.writeAmplification * capturedBytes);
    this.#hold('the growth of memory', memoryGrowth, BUDGETS.memory);
    if (descriptorGrowth > BUDGETS.descriptors)
      this.#violations.push(`${descriptorGrowth} more descriptors are open than after the first cycle`);
    for (const failure of [
      'litestream_compaction_failures_total',
      'litestream_proofs_failed_total',
      'litestream_compaction_verify_error_count',
    ]) {
      if (metrics.sum(failure) > 0) this.#violations.push(`${failure} is ${metrics.sum(failure)}`);
    }
    if (metrics.sum('litestream_proofs_passed_total') === 0) this.#violations.push('no scheduled verification has passed');
    if (metrics.sum('litestream_retention_deleted_files_total') === 0) this.#violations.push('nothing has expired');
    return {
      seconds: Math.round(seconds),
      cycles: this.#ends.length,
      transactions: this.#transactions,
      capturedBytes,
      putBytes,
      worstWAL: this.#worst.wal,
      worstLocal: this.#worst.local,
      worstRemote: this.#worst.remote,
      memoryGrowth,
      descriptorGrowth,
      violations: this.#violations,
    };
  }

  /** After all of it the newest state must come back. */
  async #checkRestore(): Promise<void> {
    const output = this.#scene.path('restored.db');
    const { status, stderr } = await litestream(this.#scene.directory, 'restore', '-config', 'litestream.yml', '-o', output, this.#path);
    if (status !== 0) throw new Error(`the replica does not restore: ${stderr}`);
    const [source, restored] = [this.#path, output].map((path) => {
      const db = new Database(path, { readonly: true });
      try {
        return JSON.stringify(db.prepare('SELECT count(*), max(id), total(length(body)) FROM t').raw().get());
      } finally {
        db.close();
      }
    });
    if (source !== restored) this.#violations.push(`the restored database differs: ${restored} instead of ${source}`);
  }
}

/** How much a total has grown within the last `ms`. */
function within(totals: readonly Total[], now: number, ms: number): number {
  const newest = totals.at(-1)?.bytes ?? 0;
  return newest - (totals.findLast(({ at }) => at < now - ms)?.bytes ?? 0);
}

/** Objects put, without the records of verifications. */
async function puts(daemon: Daemon): Promise<number> {
  const metrics = await daemon.metrics();
  const records = ['passed', 'failed', 'inconclusive'].reduce((sum, word) => sum + metrics.sum(`litestream_proofs_${word}_total`), 0);
  return metrics.sum('litestream_replica_operation_total', { operation: 'PUT' }) - records;
}

interface FoundFile {
  readonly size: number;
  readonly at: number;
}

/** Every file below a directory; what vanishes meanwhile is left out. */
function files(directory: string): FoundFile[] {
  return entriesOf(directory).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return files(path);
    const found = statSync(path, { throwIfNoEntry: false });
    return found === undefined ? [] : [{ size: found.size, at: found.mtimeMs }];
  });
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
