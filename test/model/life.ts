/**
 * The life model: an application and a daemon that die at seeded moments, two replicas of which one is unreliable, and everything that
 * happens to replicas over time at a pace of seconds. Every moment that a replica says it can restore is restored, again and again while files
 * are merged and expire, and must be a state the application had, always the same one.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { hasCode } from '../../src/base/errors.ts';
import type { MaintenanceSettings } from '../../src/engine/options.ts';
import { listCatalogue } from '../../src/engine/restore/catalogue.ts';
import { type RestorePoint, restorablePoints } from '../../src/engine/restore/points.ts';
import { formatTXID, type TXID } from '../../src/formats/ltx/txid.ts';
import { type FileInfo, SNAPSHOT_LEVEL } from '../../src/replica/file-info.ts';
import { openReplica } from '../../src/replica/open.ts';
import type { Random } from '../support/random.ts';
import { readApplicationLog, sequencesOf } from './application-log.ts';
import type { LifeMessage, LifeOptions } from './life-daemon.ts';
import { restoreFile } from './restore-file.ts';
import { stateHash } from './state-hash.ts';

const WRITER = fileURLToPath(new URL('./writer.ts', import.meta.url));
const DAEMON = fileURLToPath(new URL('./life-daemon.ts', import.meta.url));

const MAINTENANCE: MaintenanceSettings = {
  levels: [
    { level: 1, intervalMs: 250 },
    { level: 2, intervalMs: 1000 },
    { level: 3, intervalMs: 3000 },
  ],
  snapshotIntervalMs: 2000,
  snapshotRetentionMs: 4000,
  retentionCheckMs: 1000,
  level0RetentionMs: 500,
  level0CheckMs: 250,
  deletes: true,
  verifyCompaction: true,
};

const REPLICAS = ['steady', 'flaky'] as const;
type ReplicaName = (typeof REPLICAS)[number];

export interface LifeReport {
  readonly rounds: number;
  readonly kills: number;
  readonly transactions: number;
  readonly restores: number;
  /** Restores of a state that had been restored before from other files. */
  readonly repeated: number;
  /** States that were restored once and have expired since. */
  readonly expired: number;
}

export class Life {
  readonly #directory = mkdtempSync(join(tmpdir(), 'litestream-life-'));
  readonly #random: Random;
  readonly #pageSize: number;
  /** What each state was when it was first restored. */
  readonly #known = new Map<TXID, string>();
  readonly #report = { rounds: 0, kills: 0, transactions: 0, restores: 0, repeated: 0, expired: 0 };
  #daemon: ChildProcess | undefined;
  #writer: ChildProcess | undefined;
  #output = '';
  #last: (LifeMessage & { type: 'status' }) | undefined;

  constructor(random: Random, pageSize: number) {
    this.#random = random;
    this.#pageSize = pageSize;
  }

  get report(): LifeReport {
    return this.#report;
  }

  /** Application and daemon run and die; what the replicas hold is looked at while they run, after each kill, and once both are in sync. */
  async round(): Promise<void> {
    const writer = fork(WRITER, [this.#source, this.#log, String(this.#random.between(1, 2 ** 30)), String(this.#pageSize)]);
    this.#writer = writer;
    for (let kills = this.#random.between(1, 2); kills > 0; kills--) {
      this.#start(this.#random.pick([0.05, 0.15, 0.3]));
      await sleep(this.#random.between(1000, 3500));
      await this.#checkAll(3, true);
      await this.#kill();
      await this.#checkAll(6, false);
    }
    await this.#endWriter(writer);
    await this.#settle();
    this.#report.rounds++;
  }

  async close(): Promise<void> {
    this.#writer?.kill('SIGKILL');
    if (this.#daemon !== undefined) await this.#kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  get #source(): string {
    return join(this.#directory, 'app.db');
  }

  get #log(): string {
    return join(this.#directory, 'application.log');
  }

  #path(name: ReplicaName): string {
    return join(this.#directory, name);
  }

  #start(faults: number): void {
    const options: LifeOptions = {
      database: this.#source,
      metaPath: join(this.#directory, '.app.db-litestream'),
      steady: this.#path('steady'),
      flaky: this.#path('flaky'),
      seed: this.#random.between(1, 2 ** 30),
      faults,
      maintenance: MAINTENANCE,
      minCheckpointPages: this.#random.pick([20, 100, 500]),
    };
    this.#output = '';
    this.#last = undefined;
    const child = fork(DAEMON, [JSON.stringify(options)], { silent: true });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    child.on('message', (message: LifeMessage) => {
      if (message.type === 'status') this.#last = message;
    });
    this.#daemon = child;
  }

  async #kill(): Promise<void> {
    const child = this.#take();
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    this.#report.kills++;
    await gone;
  }

  #take(): ChildProcess {
    const child = this.#daemon;
    this.#daemon = undefined;
    if (child === undefined) throw new Error('there is no daemon');
    if (child.exitCode !== null) throw new Error(`the daemon ended by itself with ${child.exitCode}:\n${this.#output}`);
    return child;
  }

  async #endWriter(writer: ChildProcess): Promise<void> {
    const gone = new Promise<number | null>((resolve) => writer.once('exit', resolve));
    if (this.#random.chance(0.3)) writer.kill('SIGKILL');
    else writer.send('stop');
    const status = await gone;
    if (status !== 0 && status !== null) throw new Error(`the application failed with status ${status}`);
  }

  /** Without faults both replicas come to the newest state of the source, and stay what they are through more merging and expiry. */
  async #settle(): Promise<void> {
    this.#start(0);
    const deadline = performance.now() + 60_000;
    while (this.#last?.inSync !== true) {
      if (performance.now() > deadline) throw new Error(`the replicas do not converge:\n${this.#last?.text}\n${this.#output}`);
      await sleep(50);
    }
    await sleep(this.#random.between(300, 2500));
    const child = this.#take();
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.send('stop');
    await gone;
    const source = this.#sourceHash();
    for (const name of REPLICAS) {
      const points = await this.#points(name);
      const newest = points.at(-1);
      if (newest === undefined) throw new Error(`nothing can be restored from ${name}`);
      const hash = await this.#restore(name, newest.txid);
      if (hash !== source) throw new Error(`the newest state of ${name} is not the source's: TXID ${formatTXID(newest.txid)}`);
    }
    await this.#checkAll(8, false);
  }

  async #checkAll(samples: number, isRunning: boolean): Promise<void> {
    for (const name of REPLICAS) await this.#check(name, samples, isRunning);
  }

  async #check(name: ReplicaName, samples: number, isRunning: boolean): Promise<void> {
    const before = Date.now();
    const { files, points } = await this.#list(name);
    if (!isRunning) this.#checkRetention(name, files, points, before);
    const known = points.filter(({ txid }) => this.#known.has(txid));
    const chosen = new Set([points[0], points.at(-1)]);
    for (let i = 0; i < samples && points.length > 0; i++)
      chosen.add(this.#random.pick(this.#random.chance(0.5) && known.length > 0 ? known : points));
    let sequence = 0;
    const states = readApplicationLog(this.#log);
    this.#report.transactions = states.filter(({ word }) => word === 'committed').length;
    for (const point of [...chosen].filter((one) => one !== undefined).sort((a, b) => (a.txid < b.txid ? -1 : 1))) {
      const hash = await this.#restoreRetained(name, point.txid, isRunning);
      if (hash === undefined) continue;
      this.#expectSame(name, point.txid, hash);
      const sequences = sequencesOf(states, hash);
      const next = sequences.find((one) => one >= sequence);
      // Read after the restore: a running application may have logged more since.
      if (next === undefined && !isRunning && (sequences.length > 0 || sequence > 1))
        throw new Error(`TXID ${formatTXID(point.txid)} of ${name} restores to a state that the application did not have then`);
      sequence = next ?? sequence;
    }
  }

  /** From the oldest state that may still be asked for on there is something to restore. */
  #checkRetention(name: ReplicaName, files: readonly FileInfo[], points: readonly RestorePoint[], now: number): void {
    const [oldest] = points;
    if (oldest === undefined) {
      if (this.#known.size > 0 && name === 'steady') throw new Error('nothing can be restored from steady any more');
      return;
    }
    const isFromTheStart = files.some(({ level, minTXID }) => level < SNAPSHOT_LEVEL && minTXID <= 1n);
    if (!isFromTheStart && oldest.time > now - MAINTENANCE.snapshotRetentionMs)
      throw new Error(
        `the oldest state of ${name} is from ${now - oldest.time} ms ago, but ${MAINTENANCE.snapshotRetentionMs} ms are promised`,
      );
    this.#report.expired = [...this.#known.keys()].filter((txid) => txid < oldest.txid).length;
  }

  #expectSame(name: ReplicaName, txid: TXID, hash: string): void {
    const known = this.#known.get(txid);
    if (known === undefined) this.#known.set(txid, hash);
    else if (known !== hash) throw new Error(`TXID ${formatTXID(txid)} of ${name} restores to another state than before`);
    else this.#report.repeated++;
  }

  async #points(name: ReplicaName): Promise<RestorePoint[]> {
    return (await this.#list(name)).points;
  }

  async #list(name: ReplicaName): Promise<{ readonly files: readonly FileInfo[]; readonly points: RestorePoint[] }> {
    const replica = await openReplica({ type: 'file', path: this.#path(name) });
    try {
      const files = await listCatalogue(replica, { exactTimes: true });
      return { files, points: restorablePoints(files) };
    } finally {
      await replica.close();
    }
  }

  /** Undefined for a state that has expired since it was listed, which only a running daemon can bring about. */
  async #restoreRetained(name: ReplicaName, txid: TXID, isRunning: boolean): Promise<string | undefined> {
    try {
      return await this.#restore(name, txid);
    } catch (error) {
      const isExpired = isRunning && (await this.#points(name)).every((point) => point.txid !== txid);
      if (isExpired && (hasCode(error, 'TX_NOT_AVAILABLE') || hasCode(error, 'NO_SNAPSHOT'))) return undefined;
      throw error;
    }
  }

  async #restore(name: ReplicaName, txid: TXID): Promise<string> {
    const output = join(this.#directory, `restored-${formatTXID(txid)}.db`);
    await restoreFile(this.#path(name), txid, output);
    this.#report.restores++;
    const db = new Database(output, { readonly: true });
    try {
      const verdict = db.pragma('integrity_check', { simple: true });
      if (verdict !== 'ok') throw new Error(`TXID ${formatTXID(txid)} of ${name} restores to a broken database: ${String(verdict)}`);
      return stateHash(db);
    } finally {
      db.close();
      for (const suffix of ['', '-wal', '-shm']) rmSync(output + suffix, { force: true });
    }
  }

  #sourceHash(): string {
    const db = new Database(this.#source, { readonly: true });
    try {
      return stateHash(db);
    } finally {
      db.close();
    }
  }
}
