/**
 * The life model: an application and a daemon that die at seeded moments, replicas of which one is unreliable, and everything that
 * happens to replicas over time at a pace of seconds. Every moment that a replica says it can restore is restored, again and again while files
 * are merged and expire, and must be a state the application had, always the same one, at every replica. Features add what happens in some lives only.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
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
import type { LifeMessage, LifeOptions, LifeReplica, LifeRequest } from './life-daemon.ts';
import { backUp, bringBack, changePageSize, damageReplica, replaceDatabase } from './life-disasters.ts';
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

const STEPPING_DATE = new URL('./stepping-date.ts', import.meta.url).href;

type ReplicaName = 'steady' | 'flaky' | 'late';

/** What happens in a life beyond the ordinary. */
export type LifeFeature =
  /** The application closes its last connection between bursts, and the daemon an idle database. */
  | 'cold'
  /** Replicas are verified every few seconds, which never fails. */
  | 'proofs'
  /** The flaky replica is away for seconds, and the backlog is bounded more narrowly than that. */
  | 'backlog'
  /** The local state is begun anew at random. */
  | 'resets'
  /** The daemon's clock is set by minutes, back and forth. */
  | 'clock'
  /** Between rounds, and while the daemon has closed it, the database gets another page size. */
  | 'page-sizes'
  /** Between rounds the flaky replica loses files, or one of them changes. */
  | 'damage'
  /** A third replica is added later. */
  | 'third'
  /** Some puts to the flaky replica are acknowledged and lost. */
  | 'lost-puts'
  /** Between rounds the database is replaced by an older state, with or without its local state, or loses its local state. */
  | 'returns';

/** Errors that a restore from a replica with damaged files may end with; wrong content is none. */
const REFUSALS = ['LTX_INVALID', 'LTX_TRUNCATED', 'LTX_CHECKSUM_MISMATCH', 'LTX_GAP', 'LTX_MISSING', 'TX_NOT_AVAILABLE'] as const;

export interface LifeReport {
  readonly rounds: number;
  readonly kills: number;
  readonly transactions: number;
  readonly restores: number;
  /** Restores of a state that had been restored before from other files. */
  readonly repeated: number;
  /** States that were restored once and have expired since. */
  readonly expired: number;
  /** By name of what the features have led to. */
  readonly events: Readonly<Record<string, number>>;
}

export class Life {
  readonly #directory = mkdtempSync(join(tmpdir(), 'litestream-life-'));
  readonly #random: Random;
  #pageSize: number;
  /** What each state was when it was first restored. */
  readonly #known = new Map<TXID, string>();
  /** When each state was, by the files below level 9 that end there. */
  readonly #times = new Map<TXID, number>();
  readonly #features: ReadonlySet<LifeFeature>;
  readonly #damaged = new Set<ReplicaName>();
  /** When something was first seen at each replica, ms since the epoch. */
  readonly #heldSince = new Map<ReplicaName, number>();
  readonly #report = { rounds: 0, kills: 0, transactions: 0, restores: 0, repeated: 0, expired: 0, events: {} as Record<string, number> };
  #daemon: ChildProcess | undefined;
  #writer: ChildProcess | undefined;
  #output = '';
  #last: (LifeMessage & { type: 'status' }) | undefined;

  constructor(random: Random, pageSize: number, features: readonly LifeFeature[] = []) {
    this.#random = random;
    this.#pageSize = pageSize;
    this.#features = new Set(features);
  }

  get report(): LifeReport {
    return this.#report;
  }

  /** Application and daemon run and die; what the replicas hold is looked at while they run, after each kill, and once both are in sync. */
  async round(): Promise<void> {
    if (this.#report.rounds > 0) await this.#betweenRounds();
    const seed = String(this.#random.between(1, 2 ** 30));
    const writer = fork(WRITER, [this.#source, this.#log, seed, String(this.#pageSize), this.#features.has('cold') ? 'bursts' : '']);
    this.#writer = writer;
    for (let kills = this.#random.between(1, 2); kills > 0; kills--) {
      this.#start(this.#random.pick([0.05, 0.15, 0.3]));
      // Else it dies while it starts.
      if (this.#random.chance(0.8)) await this.#heard();
      await sleep(this.#random.between(1000, 3500));
      if (this.#features.has('resets') && this.#random.chance(0.5)) await this.#ask('reset', this.#random.between(0, 300));
      await this.#checkAll(3, true);
      if (this.#features.has('proofs') || this.#features.has('cold')) await sleep(this.#random.between(0, 4000));
      await this.#kill();
      await this.#checkAll(6, false);
    }
    await this.#endWriter(writer);
    await this.#settle();
    this.#report.rounds++;
  }

  async close(): Promise<void> {
    for (const child of [this.#writer, this.#daemon]) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    // For whoever looks into a failure.
    if (process.env.LIFE_KEEP === undefined) rmSync(this.#directory, { recursive: true, force: true });
    else console.log(`kept: ${this.#directory}`);
  }

  get #source(): string {
    return join(this.#directory, 'app.db');
  }

  get #log(): string {
    return join(this.#directory, 'application.log');
  }

  get #metaPath(): string {
    return join(this.#directory, '.app.db-litestream');
  }

  get #names(): ReplicaName[] {
    return this.#features.has('third') && this.#report.rounds > 0 ? ['steady', 'flaky', 'late'] : ['steady', 'flaky'];
  }

  #path(name: ReplicaName): string {
    return join(this.#directory, name);
  }

  #count(event: string): void {
    this.#report.events[event] = (this.#report.events[event] ?? 0) + 1;
  }

  /** The daemon, with `faults` at the flaky replica; 0: nothing is wrong any more. */
  #start(faults: number): void {
    const isCalm = faults === 0;
    const has = (feature: LifeFeature): boolean => this.#features.has(feature);
    const from = this.#random.between(200, 2500);
    const away = has('backlog') && !isCalm ? { away: { from, to: from + this.#random.between(1000, 4000) } } : {};
    const replica = (name: ReplicaName): LifeReplica => ({
      name,
      path: this.#path(name),
      faults: name === 'flaky' ? faults : 0,
      lostPuts: name === 'flaky' && has('lost-puts') && !isCalm ? 0.03 : 0,
      ...(name === 'flaky' ? away : {}),
    });
    const options: LifeOptions = {
      database: this.#source,
      metaPath: this.#metaPath,
      replicas: this.#names.map(replica),
      seed: this.#random.between(1, 2 ** 30),
      maintenance: MAINTENANCE,
      minCheckpointPages: this.#random.pick([20, 100, 500]),
      backlog: has('backlog') ? { bytes: 200_000, ageMs: 700 } : { bytes: 64 * 1024 * 1024, ageMs: 60_000 },
      ...(has('cold') ? { coldAfterMs: 300 } : {}),
      ...(has('proofs') ? { proofIntervalMs: 1500 } : {}),
    };
    this.#output = '';
    this.#last = undefined;
    const isSet = has('clock') && !isCalm;
    const child = fork(DAEMON, [JSON.stringify(options)], {
      silent: true,
      ...(isSet ? { execArgv: ['--import', STEPPING_DATE], env: { ...process.env, LIFE_CLOCK_SEED: String(options.seed) } } : {}),
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    child.on('message', (message: LifeMessage) => {
      if (message.type === 'status') this.#last = message;
      if (message.type === 'reset') this.#count(message.error === undefined ? 'reset' : 'reset refused');
    });
    this.#daemon = child;
  }

  /** Resolves when the daemon has said anything, at the latest after ten seconds. */
  async #heard(): Promise<void> {
    for (let tries = 0; tries < 200 && this.#last === undefined; tries++) await sleep(50);
  }

  async #ask(request: LifeRequest, waitMs: number): Promise<void> {
    this.#daemon?.send(request);
    await sleep(waitMs);
  }

  /** What the daemon must never say, whatever happens to it. */
  #examine(): void {
    const { text } = this.#last ?? {};
    if (text === undefined) return;
    const status = JSON.parse(text) as {
      readonly cold?: { readonly wakes: number };
      readonly replicas: readonly {
        readonly name: string;
        readonly proof?: { readonly outcome: string; readonly reasons: readonly string[] };
      }[];
    };
    if ((status.cold?.wakes ?? 0) > 0) this.#count('woken');
    for (const { name, proof } of status.replicas) {
      if (proof !== undefined) this.#count(`proof ${proof.outcome}`);
      if (proof?.outcome === 'failed' && !this.#isLossy(name as ReplicaName))
        throw new Error(`the proof of ${name} failed: ${proof.reasons.join(' ')}\n${this.#output}`);
    }
    if (/SECOND_WRITER|"INTERNAL"|nhandled/.test(this.#output + text))
      throw new Error(`the daemon must not say so:\n${text}\n${this.#output}`);
    if (this.#output.includes('BACKLOG_EXCEEDED') || text.includes('BACKLOG_EXCEEDED')) this.#count('backlog exceeded');
  }

  /** Everything is down, and something happens to the files. */
  async #betweenRounds(): Promise<void> {
    if (this.#features.has('damage') && this.#random.chance(0.7)) {
      const damage = damageReplica(this.#path('flaky'), this.#random);
      if (damage !== undefined) this.#count(damage);
      this.#damaged.add('flaky');
    }
    if (this.#features.has('page-sizes') && this.#random.chance(0.7)) {
      this.#changePageSize();
      this.#count('page size');
    }
    if (this.#features.has('returns')) await this.#return();
  }

  #changePageSize(): void {
    this.#pageSize = this.#random.pick([512, 1024, 2048, 4096, 8192, 16384, 65536]);
    changePageSize(this.#source, this.#pageSize);
  }

  async #return(): Promise<void> {
    const image = join(this.#directory, 'image');
    const action = this.#random.between(0, 3);
    if (action === 0) {
      rmSync(this.#metaPath, { recursive: true, force: true });
      this.#count('local state lost');
    } else if (action === 1 && existsSync(image)) {
      bringBack(this.#source, this.#metaPath, image);
      this.#count('image');
    } else if (action === 2) {
      const older = join(this.#directory, 'older.db');
      await restoreFile(this.#path('steady'), this.#random.pick(await this.#points('steady')).txid, older);
      replaceDatabase(this.#source, older);
      this.#count('older database');
    } else {
      backUp(this.#source, this.#metaPath, image);
    }
    this.#logPresent();
  }

  /** What the application finds when it comes back is a state it had, later than all before. */
  #logPresent(): void {
    const last = readApplicationLog(this.#log).at(-1)?.sequence ?? 0;
    appendFileSync(this.#log, `\ncommitted ${last + 1} ${Date.now()} ${this.#sourceHash()}\n`);
  }

  async #kill(): Promise<void> {
    const child = this.#take();
    const gone = new Promise((resolve) => child.once('exit', resolve));
    this.#examine();
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

  /** Without faults all replicas come to the newest state of the source, and stay what they are through more merging and expiry. */
  async #settle(): Promise<void> {
    await this.#converge(false);
    const source = this.#sourceHash();
    const broken = await this.#notAt(source);
    if (broken.length > 0) {
      // Nothing was written since, so nothing asked whether what was lost is needed: a person does.
      if (broken.some(({ name }) => !this.#isLossy(name))) throw new Error(broken.map(({ reason }) => reason).join('; '));
      this.#count('repaired by a person');
      await this.#converge(true);
      const [still] = await this.#notAt(source);
      if (still !== undefined) throw new Error(`after a reset: ${still.reason}\n${this.#output}`);
    }
    await this.#checkAll(8, false);
  }

  /** Files of this replica may be gone or damaged without anybody's order. */
  #isLossy(name: ReplicaName): boolean {
    return this.#damaged.has(name) || (name === 'flaky' && this.#features.has('lost-puts'));
  }

  async #converge(isReset: boolean): Promise<void> {
    this.#start(0);
    const deadline = performance.now() + 90_000;
    let isAsked = !isReset;
    while (!isAsked || this.#last?.inSync !== true) {
      if (performance.now() > deadline) throw new Error(`the replicas do not converge:\n${this.#last?.text}\n${this.#output}`);
      // A replica that has lost what was confirmed there is not continued before a person says so.
      if (this.#last !== undefined && (!isAsked || this.#last.text.includes('was uploaded there'))) {
        if (isAsked && !this.#isLossy('flaky') && !this.#features.has('returns'))
          throw new Error(`nothing was lost:\n${this.#last.text}\n${this.#output}`);
        isAsked = true;
        await this.#ask('reset', 1000);
      }
      await sleep(50);
    }
    if (this.#features.has('cold') && this.#features.has('page-sizes')) await this.#changePageSizeOfIdle();
    await sleep(this.#random.between(300, 2500));
    this.#examine();
    const child = this.#take();
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.send('stop');
    await gone;
  }

  /** Once the daemon has closed the database, if it does soon; the replicas have every page soon afterwards. */
  async #changePageSizeOfIdle(): Promise<void> {
    for (let tries = 0; tries < 500 && this.#last?.isCold !== true; tries++) await sleep(20);
    const before = BigInt(this.#last?.txid ?? 0);
    if (this.#last?.isCold !== true) return;
    try {
      this.#changePageSize();
    } catch (error) {
      // The daemon has opened it in the middle of it.
      if (error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')) return;
      throw error;
    }
    const deadline = performance.now() + 60_000;
    while (this.#last?.inSync !== true || BigInt(this.#last.txid) <= before) {
      if (performance.now() > deadline)
        throw new Error(`the change of page size does not reach the replicas:\n${this.#last?.text}\n${this.#output}`);
      await sleep(20);
    }
    this.#count('page size of idle');
  }

  /** The replicas whose newest state is not the source's, and why. */
  async #notAt(source: string): Promise<{ readonly name: ReplicaName; readonly reason: string }[]> {
    const found: { readonly name: ReplicaName; readonly reason: string }[] = [];
    for (const name of this.#names) {
      const newest = (await this.#points(name)).at(-1);
      if (newest === undefined) {
        found.push({ name, reason: `nothing can be restored from ${name}` });
        continue;
      }
      const hash = await this.#restoreAllowed(name, newest.txid);
      if (hash !== source) found.push({ name, reason: `the newest state of ${name} is not the source's: TXID ${formatTXID(newest.txid)}` });
    }
    return found;
  }

  async #checkAll(samples: number, isRunning: boolean): Promise<void> {
    for (const name of this.#names) await this.#check(name, samples, isRunning);
  }

  async #check(name: ReplicaName, samples: number, isRunning: boolean): Promise<void> {
    const before = Date.now();
    const { files, points } = await this.#list(name);
    if (points.length > 0 && !this.#heldSince.has(name)) this.#heldSince.set(name, before);
    if (!isRunning) this.#checkRetention(name, files, points, before);
    if (!isRunning && name === 'steady' && this.#features.size === 0) checkOverlaps(name, files);
    this.#checkTimes(name, points);
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
    // Where the clock is set and the local state is lost, times at a replica go back, and a moment may be refused.
    if (!isRunning && !this.#features.has('clock')) await this.#checkMoment(name, points);
  }

  /** A restore to a moment gives the state before it. */
  async #checkMoment(name: ReplicaName, points: readonly RestorePoint[]): Promise<void> {
    const index = this.#random.between(0, Math.max(0, points.length - 1));
    const [point, next] = [points[index], points[index + 1]];
    if (point === undefined) return;
    const before = this.#random.between(point.time + 1, Math.max(point.time + 1, next?.time ?? point.time + 1000));
    const expected = points.filter(({ time }) => time < before).reduce((a, b) => (b.txid > a.txid ? b : a), point);
    const hash = await this.#restoreAllowed(name, { before });
    if (hash === undefined) return;
    const known = this.#known.get(expected.txid) ?? (await this.#restoreAllowed(name, expected.txid));
    if (known !== undefined && hash !== known)
      throw new Error(`the state of ${name} before ${before} is not that of TXID ${formatTXID(expected.txid)}`);
    const states = readApplicationLog(this.#log).filter((state) => state.hash === hash);
    if (states.length > 0 && states.every(({ at }) => at > before))
      throw new Error(`the state of ${name} before ${before} has what was written later`);
  }

  /** Merging moves no moment; a snapshot has a time of its own. */
  #checkTimes(name: ReplicaName, points: readonly RestorePoint[]): void {
    for (const { txid, time, level } of points) {
      if (level === SNAPSHOT_LEVEL) continue;
      const known = this.#times.get(txid);
      if (known !== undefined && known !== time)
        throw new Error(`TXID ${formatTXID(txid)} of ${name} was at ${known}, and is at ${time} now`);
      this.#times.set(txid, time);
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
    // One that came later may have begun with a snapshot.
    const isOld = now - (this.#heldSince.get(name) ?? now) > MAINTENANCE.snapshotRetentionMs;
    const isPromised = isOld && !isFromTheStart && !this.#isLossy(name) && !this.#features.has('clock');
    if (isPromised && oldest.time > now - MAINTENANCE.snapshotRetentionMs)
      throw new Error(
        `the oldest state of ${name} is from ${now - oldest.time} ms ago, but ${MAINTENANCE.snapshotRetentionMs} ms are promised`,
      );
    this.#report.expired = Math.max(this.#report.expired, [...this.#known.keys()].filter((txid) => txid < oldest.txid).length);
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
      return await this.#restoreAllowed(name, txid);
    } catch (error) {
      const isExpired = isRunning && (await this.#points(name)).every((point) => point.txid !== txid);
      if (isExpired && (hasCode(error, 'TX_NOT_AVAILABLE') || hasCode(error, 'NO_SNAPSHOT'))) return undefined;
      throw error;
    }
  }

  /** Undefined when the replica has suffered and says so. */
  async #restoreAllowed(name: ReplicaName, wanted: TXID | { readonly before: number }): Promise<string | undefined> {
    try {
      return await this.#restore(name, wanted);
    } catch (error) {
      if (!this.#isLossy(name) || !REFUSALS.some((code) => hasCode(error, code))) throw error;
      this.#count('refused to restore');
      return undefined;
    }
  }

  async #restore(name: ReplicaName, wanted: TXID | { readonly before: number }): Promise<string> {
    const txid = typeof wanted === 'bigint' ? formatTXID(wanted) : `before ${wanted.before}`;
    const output = join(this.#directory, `restored-${txid}.db`);
    await restoreFile(this.#path(name), wanted, output);
    this.#report.restores++;
    const db = new Database(output, { readonly: true });
    try {
      const verdict = db.pragma('integrity_check', { simple: true });
      if (verdict !== 'ok') throw new Error(`TXID ${txid} of ${name} restores to a broken database: ${String(verdict)}`);
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

/** One writer makes one file after the other. */
function checkOverlaps(name: ReplicaName, files: readonly FileInfo[]): void {
  const ends = new Map<number, TXID>();
  for (const { level, minTXID, maxTXID } of [...files].sort((a, b) => (a.maxTXID < b.maxTXID ? -1 : 1))) {
    if (level === SNAPSHOT_LEVEL) continue;
    if (minTXID <= (ends.get(level) ?? 0n)) throw new Error(`files of level ${level} of ${name} overlap at TXID ${formatTXID(minTXID)}`);
    ends.set(level, maxTXID);
  }
}
