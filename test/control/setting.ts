/** A world for verbs: a real database's history as a file replica, a metadata directory, and, where wanted, a service that says what a test tells it. */

import { mkdirSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/log.ts';
import type { Caller } from '../../src/control/caller.ts';
import { SCOPES } from '../../src/control/caller.ts';
import type { Control, VerbInput, VerbName, VerbOutput } from '../../src/control/control.ts';
import { createLocalControl } from '../../src/control/local-control.ts';
import type { RestoreGateSettings } from '../../src/control/options.ts';
import type { CallContext } from '../../src/control/verb.ts';
import { VERBS } from '../../src/control/verbs.ts';
import { makeWorld, type World, type WorldParts } from '../../src/control/world.ts';
import type { EngineStatus } from '../../src/engine/database-engine.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import type { FileInfo } from '../../src/replica/file-info.ts';
import { openReplica } from '../../src/replica/open.ts';
import type { DatabaseEntry } from '../../src/service/options.ts';
import type { DatabaseHandle, DatabaseStatus, ReplicaHandle, ReplicaStatus, ReplicationService } from '../../src/service/service.ts';
import { runJobHere } from '../../src/workers/job-kinds.ts';
import { encode, store } from '../engine/restore/ltx-files.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** Time of TXID 0; TXID n is n seconds later. */
export const START = Date.UTC(2026, 0, 1, 12);
export const timeOf = (txid: number): number => START + txid * 1000;
export const instantOf = (txid: number): string => new Date(timeOf(txid)).toISOString();
const PAGE_SIZE = 4096;

/** The bytes of a database after each of its transactions; index 0 is empty. */
export function makeHistory(transactions: number): Buffer[] {
  const db = new Database(':memory:');
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT)');
  const states = [Buffer.alloc(0), db.serialize()];
  for (let txid = 2; txid <= transactions; txid++) {
    db.prepare('INSERT INTO t (note) VALUES (?)').run(`transaction ${txid} ${'x'.repeat(txid * 200)}`);
    states.push(db.serialize());
  }
  db.close();
  return states;
}

function pagesOf(state: Buffer): Buffer[] {
  return Array.from({ length: state.length / PAGE_SIZE }, (_, index) => state.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE));
}

/** Puts one LTX file from TXID `min` to `max` of the history into a file replica. */
export function putFile(root: string, history: readonly Buffer[], level: number, min: number, max: number, at = timeOf(max)): string {
  const before = pagesOf(min === 1 ? Buffer.alloc(0) : (history[min - 1] ?? Buffer.alloc(0)));
  const after = pagesOf(history[max] ?? Buffer.alloc(0));
  const pages = new Map<number, Uint8Array>();
  after.forEach((page, index) => {
    if (before[index]?.equals(page) !== true) pages.set(index + 1, page);
  });
  return store(root, level, min, max, encode(PAGE_SIZE, min, max, { commit: after.length, pages }, at), at);
}

export interface Setting {
  /** Real path of a temporary directory with `replica`, `second`, `restored`, `app.db` and its metadata directory. */
  readonly root: string;
  readonly clock: FakeClock;
  readonly history: readonly Buffer[];
  readonly entry: DatabaseEntry;
  readonly world: World;
  readonly control: Control;
}

export interface SettingOptions {
  readonly attached?: boolean;
  readonly transactions?: number;
  readonly gate?: Partial<RestoreGateSettings>;
  readonly parts?: Partial<WorldParts>;
  readonly status?: Partial<DatabaseStatus>;
  readonly entries?: (own: DatabaseEntry) => readonly DatabaseEntry[];
  readonly handle?: Partial<DatabaseHandle>;
  readonly replicaNames?: readonly string[];
}

export function temporaryDirectory(): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'control-')));
  onTestFinished(() => rmSync(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
  return root;
}

export function makeEntry(root: string, name: string, replicaNames: readonly string[] = ['file']): DatabaseEntry {
  return {
    settings: {
      name,
      path: join(root, `${name}.db`),
      metaPath: join(root, `.${name}.db-litestream`),
      monitorIntervalMs: 1000,
      pollIntervalMs: 1000,
      checkpointIntervalMs: 60_000,
      minCheckpointPages: 1000,
      truncatePages: Number.POSITIVE_INFINITY,
      busyTimeoutMs: 1000,
      maxSyncWALBytes: Number.POSITIVE_INFINITY,
      pageForm: 'block',
    },
    replicas: replicaNames.map((replica) => ({
      name: replica,
      store: { type: 'file', path: join(root, 'replicas', name, replica) },
      syncIntervalMs: 1000,
      maxSyncFiles: Number.POSITIVE_INFINITY,
    })),
    restoreIfMissing: false,
  };
}

/** A database `app` of six transactions: level 0 for each, a snapshot at TXID 3; the replica has all of them. */
export async function makeSetting(options: SettingOptions = {}): Promise<Setting> {
  const { attached = true, transactions = 6, replicaNames = ['file'] } = options;
  const root = temporaryDirectory();
  const clock = new FakeClock(timeOf(60));
  const history = makeHistory(transactions);
  const entry = makeEntry(root, 'app', replicaNames);
  for (const replica of entry.replicas) {
    for (let txid = 1; txid <= transactions; txid++) putFile(replica.store.path, history, 0, txid, txid);
    putFile(replica.store.path, history, 9, 1, 3);
  }
  writeFileSync(entry.settings.path, history.at(-1) ?? '');
  utimesSync(entry.settings.path, timeOf(transactions) / 1000, timeOf(transactions) / 1000);
  const local = join(entry.settings.metaPath, 'ltx', '0');
  mkdirSync(local, { recursive: true });
  for (let txid = transactions - 1; txid <= transactions; txid++) {
    const hex = txid.toString(16).padStart(16, '0');
    const file = join(local, `${hex}-${hex}.ltx`);
    writeFileSync(file, 'local');
    utimesSync(file, timeOf(txid) / 1000, timeOf(txid) / 1000);
  }
  mkdirSync(join(root, 'restored'), { mode: 0o700 });
  const entries = options.entries?.(entry) ?? [entry];
  const world = makeWorld({
    version: '1.2.3',
    clock,
    log: silentLogger,
    entries,
    service: attached ? await fakeService(entries, transactions, options) : undefined,
    gate: { restoreDirs: [join(root, 'restored')], confirm: 'auto', planTTLMs: 600_000, maxRestores: 2, ...options.gate },
    protectedPaths: [join(root, 'litestream.yml'), join(root, 'audit.log')],
    runJob: runJobHere,
    ...options.parts,
  });
  const control = createLocalControl(world);
  onTestFinished(() => control.close());
  return { root, clock, history, entry, world, control };
}

async function fakeService(entries: readonly DatabaseEntry[], transactions: number, options: SettingOptions): Promise<ReplicationService> {
  return { startedAt: START, databases: await Promise.all(entries.map((entry) => fakeHandle(entry, transactions, options))) };
}

export const engineStatus = (transactions: number): EngineStatus => ({
  state: 'replicating',
  since: START,
  txid: toTXID(transactions),
  txidAt: timeOf(transactions),
  pageSize: PAGE_SIZE,
  dbSize: 8192,
  walSize: 4120,
  pendingWALBytes: 0,
  lastCheckpoint: { at: START, mode: 'PASSIVE', complete: true },
  worstWriteLockMs: 0.25,
});

async function fakeHandle(entry: DatabaseEntry, transactions: number, { status, handle }: SettingOptions): Promise<DatabaseHandle> {
  const replicas: ReplicaHandle[] = await Promise.all(
    entry.replicas.map(async (settings) => {
      const replica = await openReplica(settings.store);
      const facts: ReplicaStatus = {
        name: settings.name,
        type: 'file',
        destination: settings.store.path,
        role: 'required',
        state: 'replicating',
        txid: toTXID(transactions),
        lagTXIDs: 0n,
        lagSeconds: 0,
        pendingBytes: 0,
        lastUploadAt: timeOf(transactions),
        lastConfirmedAt: timeOf(transactions),
      };
      return { settings, replica, position: toTXID(transactions), status: () => facts, flush: async () => {}, retryNow: () => {} };
    }),
  );
  const whole: DatabaseStatus = {
    state: 'replicating',
    since: START,
    engine: engineStatus(transactions),
    replicas: replicas.map((replica) => replica.status()),
    unprotectedSeconds: 0,
    ...status,
  };
  return {
    settings: entry.settings,
    replicas,
    status: async () => whole,
    sync: async () => ({ before: toTXID(transactions), after: toTXID(transactions) }),
    snapshot: async (): Promise<FileInfo> => ({ level: 9, minTXID: toTXID(1), maxTXID: toTXID(transactions), size: 1, createdAt: START }),
    moveReplica: async () => {},
    reset: async () => ({ files: 0, bytes: 0, floor: toTXID(transactions) }),
    pageSums: () => Promise.reject(new LitestreamError('DB_NOT_READY', 'no pages in this test')),
    ...handle,
  };
}

export const model: Caller = { principal: 'token-a', door: 'mcp-http', scopes: SCOPES, readOnly: false, operator: false };
export const reader: Caller = { principal: 'reader', door: 'mcp-http', scopes: ['read'], readOnly: true, operator: false };
export const person: Caller = { principal: 'cli:me', door: 'cli', scopes: SCOPES, readOnly: false, operator: true };

export const by = (caller: Caller, more: Partial<CallContext> = {}): CallContext => ({
  caller,
  signal: new AbortController().signal,
  ...more,
});

/** Calls a verb and checks what it answers against its schema, as JSON. */
export async function ask<N extends VerbName>(
  control: Control,
  name: N,
  input: VerbInput<N>,
  call: CallContext = by(model),
): Promise<VerbOutput<N>> {
  const output = await control.call(name, input, call);
  VERBS[name].output.parse(JSON.parse(JSON.stringify(output)));
  return output;
}

/** The error of a promise that must reject with one of ours. */
export async function refusal(promise: Promise<unknown>): Promise<LitestreamError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LitestreamError) return error;
    throw error;
  }
  throw new Error('this should have been refused');
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await refusal(promise)).code;
}
