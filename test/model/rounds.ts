/**
 * The two-process model test: an application and a daemon live and die at seeded moments; whatever the replica holds afterwards
 * must restore to a state the application really had, in the application's order, and the newest must equal the source.
 */

import { type ChildProcess, fork, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { formatTXID, parseTXID, type TXID } from '../../src/formats/ltx/txid.ts';
import type { Random } from '../support/random.ts';
import { type LoggedState, readApplicationLog, sequencesOf } from './application-log.ts';
import { restoreFile } from './restore-file.ts';
import { stateHash } from './state-hash.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const WRITER = fileURLToPath(new URL('./writer.ts', import.meta.url));

export interface ModelReport {
  readonly rounds: number;
  readonly transactions: number;
  readonly files: number;
  readonly restores: number;
  readonly kills: number;
}

/** One database over several rounds. */
export class Model {
  readonly #directory = mkdtempSync(join(tmpdir(), 'litestream-model-'));
  readonly #random: Random;
  readonly #pageSize: number;
  #daemon: ChildProcess | undefined;
  #output = '';
  #checked = new Set<string>();
  #report = { rounds: 0, transactions: 0, files: 0, restores: 0, kills: 0 };

  constructor(random: Random, pageSize: number) {
    this.#random = random;
    this.#pageSize = pageSize;
    writeFileSync(
      join(this.#directory, 'litestream.yml'),
      `dbs:\n  - path: ${this.#source}\n    monitor-interval: 20ms\n    min-checkpoint-page-count: ${random.pick([20, 100, 500])}\n    checkpoint-interval: 300ms\n    replica:\n      type: file\n      path: ${join(this.#directory, 'replica')}\n      sync-interval: 20ms\n`,
    );
  }

  get report(): ModelReport {
    return this.#report;
  }

  get #source(): string {
    return join(this.#directory, 'app.db');
  }

  get #log(): string {
    return join(this.#directory, 'application.log');
  }

  /** Lets both processes run and die, then checks this round's files and `older` earlier ones. */
  async round(older: number): Promise<void> {
    const writer = fork(WRITER, [this.#source, this.#log, String(this.#random.between(1, 2 ** 30)), String(this.#pageSize)], {
      execPath: process.execPath,
    });
    await sleep(this.#random.between(0, 250));
    for (let kills = this.#random.between(1, 3); kills > 0; kills--) {
      this.#startDaemon();
      if (this.#random.chance(0.8)) await this.#daemonRuns();
      await sleep(this.#random.between(50, 1200));
      await this.#killDaemon();
      await sleep(this.#random.between(0, 200));
    }
    await this.#endWriter(writer);
    await this.#catchUp();
    this.#report.rounds++;
    await this.#check(older);
  }

  /** Checks every file that is there. */
  async checkAll(): Promise<void> {
    this.#checked.clear();
    await this.#check(0);
  }

  async close(): Promise<void> {
    if (this.#daemon !== undefined) await this.#killDaemon();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #startDaemon(): void {
    this.#output = '';
    const child = spawn(process.execPath, [MAIN, 'replicate', '-config', join(this.#directory, 'litestream.yml')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
    this.#daemon = child;
  }

  /** Until it replicates, so that most kills hit a daemon at work and not one that starts. */
  async #daemonRuns(): Promise<void> {
    const before = this.#files().length;
    for (let i = 0; i < 500 && this.#files().length === before; i++) await sleep(10);
  }

  async #killDaemon(): Promise<void> {
    const child = this.#daemon;
    this.#daemon = undefined;
    if (child === undefined) return;
    if (child.exitCode !== null) throw new Error(`the daemon ended by itself with ${child.exitCode}:\n${this.#output}`);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    this.#report.kills++;
    await gone;
  }

  async #endWriter(writer: ChildProcess): Promise<void> {
    const gone = new Promise<number | null>((resolve) => writer.once('exit', resolve));
    if (this.#random.chance(0.3)) {
      writer.kill('SIGKILL');
      await gone;
      return;
    }
    writer.send('stop');
    const status = await gone;
    if (status !== 0) throw new Error(`the application failed with status ${status}`);
  }

  /** One pass of a new process: what the source holds must then be at the replica. */
  async #catchUp(): Promise<void> {
    const child = spawn(process.execPath, [MAIN, 'replicate', '-once', '-config', join(this.#directory, 'litestream.yml')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
    if (status !== 0) throw new Error(`replicate -once ended with ${status}:\n${output}`);
  }

  async #check(older: number): Promise<void> {
    const states = readApplicationLog(this.#log);
    this.#report.transactions = states.filter((state) => state.word === 'committed').length;
    const all = this.#files();
    this.#report.files = all.length;
    if (all.length === 0) throw new Error('the replica is empty');
    const fresh = all.filter((txid) => !this.#checked.has(txid));
    const earlier = all.filter((txid) => this.#checked.has(txid));
    const again = Array.from({ length: Math.min(older, earlier.length) }, () => this.#random.pick(earlier));
    const chosen = [...new Set([...again, ...fresh])].sort();
    let sequence = 0;
    let hash = '';
    for (const txid of chosen) {
      hash = await this.#restoredHash(parseTXID(txid), `${txid}.db`);
      sequence = nextSequence(states, hash, sequence, txid);
      this.#checked.add(txid);
    }
    const newest = chosen.at(-1) === all.at(-1) ? hash : await this.#restoredHash(parseTXID(all.at(-1) ?? ''), 'newest.db');
    const source = this.#sourceHash();
    if (newest !== source) throw new Error(`the newest restored state is not the source's: TXID ${all.at(-1)}`);
  }

  #files(): string[] {
    const directory = join(this.#directory, 'replica', 'ltx', '0');
    if (!existsSync(directory)) return [];
    const names = readdirSync(directory)
      .filter((name) => name.endsWith('.ltx'))
      .sort();
    names.forEach((name, index) => {
      if (name !== `${formatTXID(BigInt(index + 1) as TXID)}-${formatTXID(BigInt(index + 1) as TXID)}.ltx`)
        throw new Error(`level 0 is not gap-free at ${name}`);
    });
    return names.map((name) => name.slice(0, 16));
  }

  async #restoredHash(txid: TXID, name: string): Promise<string> {
    const output = join(this.#directory, name);
    await restoreFile(join(this.#directory, 'replica'), txid, output);
    this.#report.restores++;
    const db = new Database(output, { readonly: true });
    try {
      const verdict = db.pragma('integrity_check', { simple: true });
      if (verdict !== 'ok') throw new Error(`TXID ${formatTXID(txid)} restores to a broken database: ${String(verdict)}`);
      return stateHash(db);
    } finally {
      db.close();
      for (const suffix of ['', '-wal', '-shm']) rmSync(output + suffix, { force: true });
    }
  }

  #sourceHash(): string {
    // A read-only last close leaves the WAL in place, a read-write one removes it: the next daemon meets either.
    const db = new Database(this.#source, { readonly: this.#random.chance(0.5) });
    try {
      return stateHash(db);
    } finally {
      db.close();
    }
  }
}

/** The first sequence from `from` on at which the application had this state. Before its first transaction the database is empty. */
function nextSequence(states: readonly LoggedState[], hash: string, from: number, txid: string): number {
  const known = sequencesOf(states, hash);
  const next = known.find((sequence) => sequence >= from);
  if (next !== undefined) return next;
  if (known.length > 0)
    throw new Error(`TXID ${txid} restores to an older state than the TXID before it: transaction ${known.at(-1)} after ${from}`);
  if (from <= 1) return from;
  throw new Error(`TXID ${txid} restores to a state the application never had`);
}
