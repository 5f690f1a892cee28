/** The lock that makes one process the owner of a database's metadata directory (decision 11). */

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import type { Connection } from './connection.ts';
import { sqliteError } from './errors.ts';
import { identityOf, isLocked, lockExclusively } from './lock-file.ts';
import { sharedLockName } from './shared-lock.ts';

/** A SQLite file that is only ever opened by SQLite: any other descriptor of this process would drop the lock when closed. */
export const OWNER_LOCK_NAME = 'owner.lock';
/** Who the owner is, for people and for programs that want to talk to it. Says nothing about whether it lives: the lock does. */
export const OWNER_FILE_NAME = 'owner.json';

export interface OwnerInfo {
  readonly pid: number;
  /** Path of the owner's private socket; absent when it has none. */
  readonly socket?: string;
  /** ms since the epoch. */
  readonly startedAt: number;
  /** The database is cold: this lock file of its owner covers it. Relative to the metadata directory, so that another mount finds it too. */
  readonly shared?: string;
}

/** How long a probe of somebody else may stand in the way of what is ours, blocking this thread; ms. */
const PASSING_MS = 1000;
/** How long a shared lock may stand before it counts, ms: whoever removes a dead one holds it for a moment. The owner's wake may be waiting. */
const SWEEPING_MS = 5;

export class OwnerLock {
  readonly directory: string;
  readonly #connection: Connection;
  readonly #identity: string;
  readonly #info: OwnerInfo;
  #isCovered = false;

  private constructor(directory: string, connection: Connection, identity: string, info: OwnerInfo) {
    this.directory = directory;
    this.#connection = connection;
    this.#identity = identity;
    this.#info = info;
  }

  /**
   * Takes the lock of an existing metadata directory and records `info` beside it. DB_OWNED when another process (or this one) has it, or holds
   * the shared lock that covers it.
   *
   * @param sharedId of this process, whose own shared lock is not in the way.
   */
  static acquire(directory: string, info: OwnerInfo, sharedId?: string): OwnerLock {
    const path = join(directory, OWNER_LOCK_NAME);
    const connection = lockExclusively(path, isOurs(readOwner(directory), sharedId) ? PASSING_MS : 0);
    if (connection === undefined) throw owned(directory);
    try {
      const identity = identityOf(path);
      if (identity === undefined) throw new LitestreamError('DB_BUSY', `locking ${directory}: the lock file was removed meanwhile`);
      // Only now: while we did not have the lock, its owner may have recorded that another one covers it.
      const last = readOwner(directory);
      if (!isOurs(last, sharedId) && isCovered(directory, last)) throw owned(directory);
      writeOwner(directory, info);
      return new OwnerLock(directory, connection, identity, info);
    } catch (error) {
      connection.close();
      throw sqliteError(error, `locking ${directory}`);
    }
  }

  /** False when the file at the path is not the one that is locked: the directory was removed or replaced, and another process may own it by now. */
  isIntact(): boolean {
    return identityOf(join(this.directory, OWNER_LOCK_NAME)) === this.#identity;
  }

  /** Records that `sharedLock` (absolute path), which this process holds, covers the directory from now on. The record outlives `release`. */
  cover(sharedLock: string): void {
    writeOwner(this.directory, { ...this.#info, shared: relative(this.directory, sharedLock) });
    this.#isCovered = true;
  }

  /** Safe to call twice. */
  release(): void {
    if (!this.#connection.isOpen) return;
    if (!this.#isCovered && this.isIntact()) rmSync(join(this.directory, OWNER_FILE_NAME), { force: true });
    this.#connection.close();
  }
}

/** What the last owner recorded; undefined when there is nothing readable. */
export function readOwner(directory: string): OwnerInfo | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(directory, OWNER_FILE_NAME), 'utf8'));
    if (typeof value !== 'object' || value === null || !('pid' in value) || typeof value.pid !== 'number') return undefined;
    const socket = 'socket' in value && typeof value.socket === 'string' ? { socket: value.socket } : {};
    const shared = 'shared' in value && typeof value.shared === 'string' ? { shared: value.shared } : {};
    const startedAt = 'startedAt' in value && typeof value.startedAt === 'number' ? value.startedAt : 0;
    return { pid: value.pid, ...socket, startedAt, ...shared };
  } catch {
    // Absent, half-written or foreign: the lock itself is what counts.
    return undefined;
  }
}

/** True while some process holds the lock, or one that covers it. The file is created when it is missing; the directory must exist. */
export function isOwned(directory: string): boolean {
  const connection = lockExclusively(join(directory, OWNER_LOCK_NAME));
  try {
    return connection === undefined || isCovered(directory, readOwner(directory));
  } finally {
    connection?.close();
  }
}

/** A cold database is not replicated any more: removes the record that the shared lock of `sharedId` covers it, if that still stands. */
export function uncover(directory: string, sharedId: string): void {
  if (isOurs(readOwner(directory), sharedId)) rmSync(join(directory, OWNER_FILE_NAME), { force: true });
}

/** The record says that the shared lock of `sharedId` covers the directory. */
export const isCoveredBy = (directory: string, sharedId: string): boolean => isOurs(readOwner(directory), sharedId);

const isOurs = (owner: OwnerInfo | undefined, sharedId: string | undefined): boolean =>
  owner?.shared !== undefined && sharedId !== undefined && basename(owner.shared) === sharedLockName(sharedId);

/** The covering lock is somebody's: its owner lives. */
const isCovered = (directory: string, owner: OwnerInfo | undefined): boolean =>
  owner?.shared !== undefined && isLocked(resolve(directory, owner.shared), SWEEPING_MS);

function writeOwner(directory: string, info: OwnerInfo): void {
  const path = join(directory, OWNER_FILE_NAME);
  writeFileSync(`${path}.tmp`, `${JSON.stringify(info)}\n`, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

function owned(directory: string): LitestreamError {
  const owner = readOwner(directory);
  const who = owner === undefined ? 'another process' : `process ${owner.pid}`;
  return new LitestreamError('DB_OWNED', `locking ${directory}: ${who} replicates this database already`, {
    details:
      owner === undefined ? { directory } : { directory, pid: owner.pid, ...(owner.socket === undefined ? {} : { socket: owner.socket }) },
    hint: 'Stop the other process first, or use the commands that talk to it.',
  });
}
