/** Everything that is open on one live database, in the order that keeps SQLite's locks and the WAL alive (decisions 9 and 10). */

import { mkdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import { bumpSequence, createBookkeepingTables } from '../../sqlite/bookkeeping.ts';
import { checkpoint, isBackfilled, readWALState, type WALState } from '../../sqlite/checkpoint.ts';
import { Connection } from '../../sqlite/connection.ts';
import { requireWAL } from '../../sqlite/journal-mode.ts';
import { requireSQLiteVersion } from '../../sqlite/library.ts';
import { OwnerLock } from '../../sqlite/owner-lock.ts';
import { ReadLock } from '../../sqlite/read-lock.ts';
import { WriteBarrier } from '../../sqlite/write-barrier.ts';
import type { DatabaseSettings } from '../options.ts';
import { DatabaseFile } from './database-file.ts';
import { NotYet } from './not-yet.ts';
import { type FileAttributes, stage } from './publish-fs.ts';
import { WALFile } from './wal-file.ts';

/** What opening needs besides the settings. */
export interface OpenDeps {
  readonly clock: Clock;
  readonly socketPath?: string | undefined;
  readonly sharedId?: string | undefined;
}

type Closer = () => void;

export class LiveDatabase {
  readonly path: string;
  readonly walPath: string;
  /** Bytes. */
  readonly pageSize: number;
  /** For new files and new directories: as the database and its directory have them. */
  readonly fileAttributes: FileAttributes;
  readonly directoryAttributes: FileAttributes;
  readonly file: DatabaseFile;
  readonly owner: OwnerLock;
  readonly readLock: ReadLock;
  readonly barrier: WriteBarrier;
  readonly #main: Connection;
  readonly #clock: Clock;
  readonly #closers: readonly Closer[];

  private constructor(parts: Parts, closers: readonly Closer[], clock: Clock) {
    this.path = parts.file.path;
    this.walPath = `${parts.file.path}-wal`;
    this.pageSize = parts.pageSize;
    this.fileAttributes = attributesOf(parts.stat, 0o666);
    this.directoryAttributes = attributesOf(parts.parent, 0o777);
    this.file = parts.file;
    this.owner = parts.owner;
    this.readLock = parts.readLock;
    this.barrier = parts.barrier;
    this.#main = parts.main;
    this.#clock = clock;
    this.#closers = closers;
  }

  /** Opens all or nothing. Throws NotYet while there is no database file or an empty one, or a typed error that names what was refused. */
  static open(settings: DatabaseSettings, deps: OpenDeps): LiveDatabase {
    requireSQLiteVersion();
    const stat = statDatabase(settings.path);
    // Run from last to first, whether opening fails half-way or the database is closed.
    const closers: Closer[] = [];
    try {
      return new LiveDatabase(openParts(settings, deps, stat, closers), closers, deps.clock);
    } catch (error) {
      closeAll(closers);
      throw error;
    }
  }

  walState(): WALState {
    return readWALState(this.#main);
  }

  openWAL(): WALFile {
    return new WALFile(this.walPath);
  }

  /**
   * A PASSIVE checkpoint: never waits, backfills as far as readers allow. `done`: every frame is in the database file; `busy`: somebody else
   * checkpoints at this moment, which an application does at every commit while the WAL is long.
   */
  backfill(): 'done' | 'partly' | 'busy' {
    const row = checkpoint(this.#main, 'PASSIVE');
    if (row.busy) return 'busy';
    return isBackfilled(row) ? 'done' : 'partly';
  }

  /** Empties the WAL file; waits up to `timeoutMs` for readers and keeps writers out meanwhile. True when it is empty. */
  truncateWAL(timeoutMs: number): boolean {
    this.#main.setBusyTimeout(timeoutMs);
    try {
      return !checkpoint(this.#main, 'TRUNCATE').busy;
    } finally {
      this.#main.setBusyTimeout(0);
    }
  }

  /** One small commit of our own; false when a writer kept us out. Measured, because it keeps writers out too. */
  bump(): { readonly done: boolean; readonly heldMs: number } {
    const start = this.#clock.monotonic();
    const done = bumpSequence(this.#main);
    return { done, heldMs: done ? this.#clock.monotonic() - start : 0 };
  }

  /**
   * Makes sure that nobody can restart the WAL: that it has a frame which is not backfilled. With our read transaction standing it then stays so,
   * because on read mark 0 the transaction prevents all backfill, and on any other mark it prevents a restart.
   */
  async pinWAL(timeoutMs: number): Promise<void> {
    this.readLock.assertHeld();
    const deadline = this.#clock.monotonic() + timeoutMs;
    while (isBackfilled(this.walState())) {
      if (this.bump().done) continue;
      if (this.#clock.monotonic() > deadline) throw new LitestreamError('DB_BUSY', `writing to ${this.path}: another writer holds it`);
      await this.#clock.sleep(5);
    }
  }

  /** Releases everything, in order, whatever fails; returns what failed. Safe to call twice. */
  close(): unknown[] {
    return closeAll(this.#closers);
  }
}

interface Parts {
  readonly stat: Stats;
  readonly parent: Stats;
  readonly owner: OwnerLock;
  readonly file: DatabaseFile;
  readonly main: Connection;
  readonly readLock: ReadLock;
  readonly barrier: WriteBarrier;
  readonly pageSize: number;
}

function openParts(settings: DatabaseSettings, deps: OpenDeps, stat: Stats, closers: Closer[]): Parts {
  const { metaPath, busyTimeoutMs } = settings;
  // SQLite follows symbolic links too and keeps the -wal file beside the real one.
  const path = realpathSync(settings.path);
  const parent = statSync(dirname(path));
  stage('mkdir', metaPath, () => mkdirSync(metaPath, { recursive: true, mode: parent.mode & 0o777 }));
  const socket = deps.socketPath === undefined ? {} : { socket: deps.socketPath };
  const owner = OwnerLock.acquire(metaPath, { pid: process.pid, ...socket, startedAt: deps.clock.now() }, deps.sharedId);
  closers.push(() => owner.release());
  const file = DatabaseFile.open(path, settings.path);
  closers.push(() => file.close());
  const connect = (options: { readonly: boolean; busyTimeoutMs: number }) => {
    const connection = new Connection({ path, ...options });
    closers.push(() => connection.close());
    return connection;
  };
  const main = connect({ readonly: false, busyTimeoutMs });
  requireWAL(main);
  // The connection that closes last has to be read-only and has to have read something (decision 10), also when opening fails below.
  const first = new Connection({ path, readonly: true, busyTimeoutMs });
  closers.splice(closers.length - 1, 0, () => first.close());
  first.row('SELECT count(*) FROM sqlite_schema');
  createBookkeepingTables(main);
  main.setBusyTimeout(0);
  const second = connect({ readonly: true, busyTimeoutMs });
  const barrier = new WriteBarrier(connect({ readonly: false, busyTimeoutMs: 0 }), deps.clock);
  const readLock = new ReadLock(first, second);
  closers.push(() => readLock.release());
  closers.push(() => barrier.lower());
  readLock.acquire();
  return { stat, parent, owner, file, main, readLock, barrier, pageSize: Number(main.row('PRAGMA page_size')?.page_size) };
}

function statDatabase(path: string): Stats {
  if (path === '' || basename(path) === ':memory:') {
    throw new LitestreamError('DB_INVALID', `opening ${path}: a database in memory cannot be replicated`, {
      hint: 'Give the path of a database file.',
    });
  }
  const stat = statAny(path);
  if (stat === undefined) requireDirectoryAbove(path);
  if (stat === undefined || (stat.isFile() && stat.size === 0)) throw new NotYet('waiting', `opening ${path}: there is no database yet`);
  if (!stat.isFile()) {
    throw new LitestreamError('DB_INVALID', `opening ${path}: it is not a file`, { hint: 'Give the path of a database file.' });
  }
  return stat;
}

const statAny = (path: string): Stats | undefined => stage('stat', path, () => statSync(path, { throwIfNoEntry: false }));

/** A missing file may still come, unless what should be a directory above it is something else. */
function requireDirectoryAbove(path: string): void {
  let above = dirname(path);
  let stat = statAny(above);
  while (stat === undefined && above !== dirname(above)) {
    above = dirname(above);
    stat = statAny(above);
  }
  if (stat?.isDirectory() === true) return;
  throw new LitestreamError('DB_INVALID', `opening ${path}: ${above} is not a directory`, { hint: 'Give the path of a database file.' });
}

const attributesOf = (stat: Stats, mask: number): FileAttributes => ({ mode: stat.mode & mask, uid: stat.uid, gid: stat.gid });

function closeAll(closers: readonly Closer[]): unknown[] {
  const errors: unknown[] = [];
  for (const close of closers.toReversed()) {
    try {
      close();
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}
