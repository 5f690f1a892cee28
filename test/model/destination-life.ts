/**
 * A life at one kind of destination: an application, the real daemon that is killed at seeded moments, and a line to the server on which everything
 * goes wrong. What the replica lists is restored over a line of its own and must be what the application had; in the end both are the same.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import Database from 'better-sqlite3';
import { hasCode } from '../../src/base/errors.ts';
import { settingsFromText } from '../../src/config/load.ts';
import { checkLevels } from '../../src/engine/compaction/level-check.ts';
import { listCatalogue } from '../../src/engine/restore/catalogue.ts';
import { fileRuns, type RestorePoint, restorablePoints } from '../../src/engine/restore/points.ts';
import { formatTXID, type TXID } from '../../src/formats/ltx/txid.ts';
import type { FileInfo } from '../../src/replica/file-info.ts';
import { openReplica } from '../../src/replica/open.ts';
import { type StoreSpec, secretsOf } from '../../src/storage/spec.ts';
import { runJobHere } from '../../src/workers/job-kinds.ts';
import { ended, kill, litestream, startLitestream } from '../../tools/processes.ts';
import type { Destination } from '../e2e/destinations.ts';
import type { Random } from '../support/random.ts';
import { readApplicationLog, sequencesOf } from './application-log.ts';
import { BadLine } from './bad-line.ts';
import { stateHash } from './state-hash.ts';

const WRITER = fileURLToPath(new URL('./writer.ts', import.meta.url));

/** Larger than a part of a multipart upload: so are snapshots then. */
const BALLAST_BYTES = 12 * 2 ** 20;

/** Destinations that can replace one version of an object. */
export const LEASED: readonly string[] = ['file', 's3', 'abs', 'gs', 'nats'];

const CONVERGE_MS = 120_000;

const MAINTENANCE = `
levels: [{interval: 1s}, {interval: 3s}]
snapshot: {interval: 5s, retention: 10s}
l0-retention: 2s
l0-retention-check-interval: 1s
verify-interval: 0s
logging: {type: json, level: debug}
`;

export interface DestinationFeatures {
  /** Every file is encrypted. */
  readonly encrypted?: boolean;
  /** A second replica in a directory. */
  readonly second?: boolean;
  /** Snapshots take several parts. */
  readonly large?: boolean;
  readonly lease?: boolean;
}

export interface DestinationReport {
  kills: number;
  restores: number;
  transactions: number;
  /** How often each kind of fault was scripted. */
  readonly faults: Readonly<Record<string, number>>;
  open: { before: Counts; after: Counts } | undefined;
}

/** Open things of a process. */
export interface Counts {
  readonly descriptors: number;
  readonly sockets: number;
  readonly residentMiB: number;
}

interface Daemon {
  readonly child: ChildProcess;
  readonly output: () => string;
}

export class DestinationLife {
  readonly #directory: string;
  readonly #random: Random;
  readonly #features: DestinationFeatures;
  readonly #line: BadLine;
  /** What each state was when it was first restored. */
  readonly #known = new Map<TXID, string>();
  readonly #specs: readonly StoreSpec[];
  readonly #report: DestinationReport = { kills: 0, restores: 0, transactions: 0, faults: {}, open: undefined };
  #daemon: Daemon | undefined;
  #writer: ChildProcess | undefined;

  private constructor(random: Random, features: DestinationFeatures, directory: string, line: BadLine, specs: readonly StoreSpec[]) {
    this.#random = random;
    this.#features = features;
    this.#line = line;
    this.#specs = specs;
    this.#directory = directory;
  }

  static async begin(destination: Destination, random: Random, features: DestinationFeatures = {}): Promise<DestinationLife> {
    const directory = mkdtempSync(join(tmpdir(), 'litestream-destination-'));
    mkdirSync(join(directory, 'work'));
    const age = features.encrypted === true ? await ageLines() : [];
    const lease = features.lease === true && LEASED.includes(destination.name) ? ['lease: {ttl: 10s, owner: life}'] : [];
    const written = [...(await destination.prepare(directory))('life'), ...age, ...lease];
    const line = await BadLine.to(written, directory);
    const second = features.second === true ? ['type: file', `path: ${join(directory, 'second')}`, ...age] : undefined;
    const direct = configuration(written, second);
    const path = join(directory, 'work', 'litestream.yml');
    const settings = settingsFromText(direct, path, { expandEnv: false }, {});
    const specs = settings.databases[0]?.replicas.map(({ store }) => store) ?? [];
    writeFileSync(path, configuration(line.lines, second));
    writeFileSync(join(directory, 'work', 'direct.yml'), direct);
    return new DestinationLife(random, features, directory, line, specs);
  }

  get report(): DestinationReport {
    return { ...this.#report, faults: this.#line.counts };
  }

  /** `rounds` times: bad weather, looks at the replica, a kill. Then good weather, in which everything has to come to the same. */
  async live(rounds: number): Promise<void> {
    this.#prepareDatabase();
    for (let round = 0; round < rounds; round++) {
      const writer = this.#startWriter();
      this.#start();
      if (this.#random.chance(0.8)) await this.#said('is running');
      await this.#weather(this.#random.between(3000, 8000));
      await this.#checkAll(2, true);
      await this.#weather(this.#random.between(500, 3000));
      await this.#kill();
      if (this.#random.chance(0.5)) await this.#endWriter(writer);
      await this.#checkAll(3, false);
      await this.#endWriter(writer);
    }
    await this.#settle();
  }

  async close(): Promise<void> {
    for (const child of [this.#writer, this.#daemon?.child]) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      await kill(child);
    }
    await this.#line.stop();
    if (process.env.LIFE_KEEP === undefined) rmSync(this.#directory, { recursive: true, force: true });
    else {
      writeFileSync(join(this.#directory, 'daemon.log'), this.#daemon?.output() ?? '');
      console.log(`kept: ${this.#directory}`);
    }
  }

  get #work(): string {
    return join(this.#directory, 'work');
  }

  get #source(): string {
    return join(this.#work, 'app.db');
  }

  get #log(): string {
    return join(this.#directory, 'application.log');
  }

  #prepareDatabase(): void {
    if (this.#features.large !== true) return;
    const db = new Database(this.#source);
    db.pragma('auto_vacuum = INCREMENTAL');
    db.pragma('journal_mode = WAL');
    db.exec('CREATE TABLE ballast (body BLOB)');
    const insert = db.prepare('INSERT INTO ballast VALUES (randomblob(?))');
    for (let bytes = 0; bytes < BALLAST_BYTES; bytes += 2 ** 20) insert.run(2 ** 20);
    db.close();
  }

  #startWriter(): ChildProcess {
    const seed = String(this.#random.between(1, 2 ** 30));
    const writer = fork(WRITER, [this.#source, this.#log, seed, '4096', 'calm']);
    this.#writer = writer;
    return writer;
  }

  async #endWriter(writer: ChildProcess): Promise<void> {
    if (writer.exitCode !== null || writer.signalCode !== null) return;
    if (this.#random.chance(0.3)) writer.kill('SIGKILL');
    else writer.send('stop');
    await ended(writer);
    if (writer.exitCode !== 0 && writer.signalCode === null) throw new Error(`the application failed with status ${writer.exitCode}`);
  }

  #start(): void {
    this.#daemon = startLitestream(this.#work, 'replicate', '-config', 'litestream.yml');
  }

  get #running(): Daemon {
    if (this.#daemon === undefined) throw new Error('there is no daemon');
    const { child, output } = this.#daemon;
    if (child.exitCode !== null) throw new Error(`the daemon ended by itself with ${child.exitCode}:\n${output().slice(-4000)}`);
    return this.#daemon;
  }

  async #said(text: string): Promise<void> {
    for (let tries = 0; tries < 600; tries++) {
      if (this.#running.output().includes(text)) return;
      await sleep(50);
    }
    throw new Error(`the daemon does not say "${text}":\n${this.#running.output().slice(-4000)}`);
  }

  async #weather(ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (performance.now() < end) {
      await this.#line.somethingHappens(this.#random);
      await sleep(this.#random.between(50, 800));
    }
    if (this.#random.chance(0.3)) this.#line.heal();
  }

  async #kill(): Promise<void> {
    const { child, output } = this.#running;
    await kill(child);
    this.#report.kills++;
    this.#examine(output());
  }

  /** What the daemon must never say, whatever happens on the line. */
  #examine(output: string): void {
    const fail = (what: string): never => {
      throw new Error(`the daemon said ${what}`);
    };
    const lines = output.split('\n');
    // The last line may be cut by the kill.
    for (const line of lines.slice(0, -1)) {
      if (!isRecord(line) && !isStartBlock(line)) fail(`what is no line of its log: ${line}`);
      if (/SECOND_WRITER|"INTERNAL"|nhandled|MaxListeners/.test(line)) fail(line);
      if (/POSITION_MISMATCH|"code":"RESET|begun anew/.test(line)) fail(line);
      // A line that is silent for longer than a lease lasts ends the right to write until it is renewed; nobody else ever has it.
      if (/the lease was lost|the lease was taken from us/.test(line)) fail(line);
    }
    for (const secret of this.#specs.flatMap(secretsOf)) if (output.includes(secret)) fail('a secret');
  }

  async #settle(): Promise<void> {
    const writer = this.#startWriter();
    this.#line.heal();
    this.#start();
    await this.#said('is running');
    await sleep(4000);
    const before = this.#count();
    await this.#weather(6000);
    this.#line.heal();
    await this.#endWriter(writer);
    await this.#converge();
    await sleep(4000);
    const after = this.#count();
    this.#report.open = { before, after };
    await this.#verify();
    const { child, output } = this.#running;
    child.kill('SIGINT');
    await Promise.race([ended(child), sleep(60_000).then(() => Promise.reject(new Error('the daemon does not end')))]);
    this.#examine(output());
    if (child.exitCode !== 0) throw new Error(`the daemon ended with ${child.exitCode}:\n${output().slice(-4000)}`);
    await this.#checkAll(8, false);
    for (const spec of this.#specs) await this.#checkWhole(spec);
    if (after.descriptors > before.descriptors + 25)
      throw new Error(`descriptors stay open: ${JSON.stringify(before)}, then ${JSON.stringify(after)}`);
    if (after.sockets > before.sockets + 20) throw new Error(`sockets stay open: ${JSON.stringify(before)}, then ${JSON.stringify(after)}`);
  }

  async #converge(): Promise<void> {
    const deadline = performance.now() + CONVERGE_MS;
    for (;;) {
      const { status, stdout, stderr } = await litestream(
        this.#work,
        'sync',
        '-wait',
        '-timeout',
        '30',
        '-config',
        'litestream.yml',
        'app.db',
      );
      if (status === 0) return;
      if (performance.now() > deadline) throw new Error(`it does not converge: ${stdout}${stderr}\n${this.#running.output().slice(-6000)}`);
      await sleep(500);
    }
  }

  async #verify(): Promise<void> {
    const { status, stdout, stderr } = await litestream(this.#work, 'verify', '-config', 'litestream.yml', 'app.db');
    if (status !== 0) throw new Error(`verify: ${status}\n${stdout}${stderr}`);
  }

  /** The newest state is the source's, and no transaction is missing in between. */
  async #checkWhole(spec: StoreSpec): Promise<void> {
    const { files, points } = await this.#list(spec);
    const runs = fileRuns(files);
    if (runs.length !== 1) throw new Error(`${spec.type} has ${runs.length} runs of transactions`);
    const wrong = checkLevels(files).filter(({ kind }) => kind === 'gap');
    if (wrong.length > 0)
      throw new Error(
        `${spec.type} has gaps: ${wrong.map(({ level, minTXID, maxTXID }) => `${level}: ${formatTXID(minTXID)}-${formatTXID(maxTXID)}`)}`,
      );
    const newest = points.at(-1);
    if (newest === undefined) throw new Error(`nothing can be restored from ${spec.type}`);
    const db = new Database(this.#source, { readonly: true });
    const source = stateHash(db);
    db.close();
    if ((await this.#restore(spec, newest.txid)) !== source) throw new Error(`the newest state of ${spec.type} is not the source's`);
  }

  async #checkAll(samples: number, isRunning: boolean): Promise<void> {
    for (const spec of this.#specs) await this.#check(spec, samples, isRunning);
  }

  async #check(spec: StoreSpec, samples: number, isRunning: boolean): Promise<void> {
    const { points } = await this.#list(spec);
    const chosen = new Set([points[0], points.at(-1)]);
    for (let i = 0; i < samples && points.length > 0; i++) chosen.add(this.#random.pick(points));
    let sequence = 0;
    for (const point of [...chosen].filter((one) => one !== undefined).sort((a, b) => (a.txid < b.txid ? -1 : 1))) {
      const hash = await this.#restoreRetained(spec, point, isRunning);
      if (hash === undefined) continue;
      const known = this.#known.get(point.txid);
      if (known !== undefined && known !== hash)
        throw new Error(`TXID ${formatTXID(point.txid)} of ${spec.type} restores to another state than before`);
      this.#known.set(point.txid, hash);
      const states = readApplicationLog(this.#log);
      this.#report.transactions = states.filter(({ word }) => word === 'committed').length;
      const sequences = sequencesOf(states, hash);
      const next = sequences.find((one) => one >= sequence);
      if (next === undefined && (sequences.length > 0 || sequence > 1 || point.txid > 20n))
        throw new Error(`TXID ${formatTXID(point.txid)} of ${spec.type} restores to a state that the application did not have then`);
      sequence = next ?? sequence;
    }
  }

  async #list(spec: StoreSpec): Promise<{ readonly files: readonly FileInfo[]; readonly points: readonly RestorePoint[] }> {
    const replica = await openReplica(spec);
    try {
      const files = await listCatalogue(replica);
      return { files, points: restorablePoints(files) };
    } finally {
      await replica.close();
    }
  }

  /** Undefined for a state that has expired since it was listed. */
  async #restoreRetained(spec: StoreSpec, { txid }: RestorePoint, isRunning: boolean): Promise<string | undefined> {
    try {
      return await this.#restore(spec, txid);
    } catch (error) {
      const isExpired = isRunning && (await this.#list(spec)).points.every((point) => point.txid !== txid);
      if (isExpired && (hasCode(error, 'TX_NOT_AVAILABLE') || hasCode(error, 'NO_SNAPSHOT'))) return undefined;
      throw error;
    }
  }

  async #restore(spec: StoreSpec, txid: TXID): Promise<string> {
    const output = join(this.#directory, `restored-${formatTXID(txid)}.db`);
    await runJobHere('restore', { store: spec, target: { type: 'txid', txid }, output, integrity: 'none' });
    this.#report.restores++;
    const db = new Database(output, { readonly: true });
    try {
      const verdict = db.pragma('integrity_check', { simple: true });
      if (verdict !== 'ok') throw new Error(`TXID ${formatTXID(txid)} of ${spec.type} restores to a broken database: ${String(verdict)}`);
      return stateHash(db);
    } finally {
      db.close();
      for (const suffix of ['', '-wal', '-shm']) rmSync(output + suffix, { force: true });
    }
  }

  #count(): Counts {
    const { pid } = this.#running.child;
    const directory = `/proc/${pid}/fd`;
    const links = readdirSync(directory).map((fd) => {
      try {
        return readlinkSync(join(directory, fd));
      } catch {
        return ''; // closed meanwhile
      }
    });
    const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
    return {
      descriptors: links.length,
      sockets: links.filter((link) => link.startsWith('socket:')).length,
      residentMiB: Math.round(Number(resident) / 1024),
    };
  }
}

async function ageLines(): Promise<string[]> {
  const identity = await generateX25519Identity();
  return [`age: {recipients: [${await identityToRecipient(identity)}], identities: [${identity}]}`];
}

function configuration(first: readonly string[], second: readonly string[] | undefined): string {
  const entry = (name: string, lines: readonly string[]) => [
    `      - name: ${name}`,
    ...[...lines, 'sync-interval: 100ms'].map((line) => `        ${line}`),
  ];
  const replicas = [...entry('main', first), ...(second === undefined ? [] : entry('second', second))];
  return [MAINTENANCE, 'dbs:', '  - path: app.db', '    monitor-interval: 50ms', '    replicas:', ...replicas, ''].join('\n');
}

/** What it says to whoever starts it. */
const isStartBlock = (line: string): boolean => line === '' || /^(litestream \d| {2})/.test(line);

function isRecord(line: string): boolean {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === 'object' && parsed !== null && 'msg' in parsed;
  } catch {
    return false;
  }
}
