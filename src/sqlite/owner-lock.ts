/** The lock that makes one process the owner of a database's metadata directory (decision 11). */

import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import { Connection } from './connection.ts';
import { sqliteError } from './errors.ts';

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
}

export class OwnerLock {
  readonly directory: string;
  readonly #connection: Connection;
  readonly #identity: string;

  private constructor(directory: string, connection: Connection, identity: string) {
    this.directory = directory;
    this.#connection = connection;
    this.#identity = identity;
  }

  /** Takes the lock of an existing metadata directory and records `info` beside it. DB_OWNED when another process (or this one) has it. */
  static acquire(directory: string, info: OwnerInfo): OwnerLock {
    const path = join(directory, OWNER_LOCK_NAME);
    const connection = lockExclusively(path);
    if (connection === undefined) throw owned(directory);
    try {
      const identity = identityOf(path);
      if (identity === undefined) throw new LitestreamError('DB_BUSY', `locking ${directory}: the lock file was removed meanwhile`);
      writeOwner(directory, info);
      return new OwnerLock(directory, connection, identity);
    } catch (error) {
      connection.close();
      throw sqliteError(error, `locking ${directory}`);
    }
  }

  /** False when the file at the path is not the one that is locked: the directory was removed or replaced, and another process may own it by now. */
  isIntact(): boolean {
    return identityOf(join(this.directory, OWNER_LOCK_NAME)) === this.#identity;
  }

  /** Safe to call twice. */
  release(): void {
    if (!this.#connection.isOpen) return;
    if (this.isIntact()) rmSync(join(this.directory, OWNER_FILE_NAME), { force: true });
    this.#connection.close();
  }
}

/** What the last owner recorded; undefined when there is nothing readable. */
export function readOwner(directory: string): OwnerInfo | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(directory, OWNER_FILE_NAME), 'utf8'));
    if (typeof value !== 'object' || value === null || !('pid' in value) || typeof value.pid !== 'number') return undefined;
    const socket = 'socket' in value && typeof value.socket === 'string' ? { socket: value.socket } : {};
    return { pid: value.pid, ...socket, startedAt: 'startedAt' in value && typeof value.startedAt === 'number' ? value.startedAt : 0 };
  } catch {
    // Absent, half-written or foreign: the lock itself is what counts.
    return undefined;
  }
}

/** True while some process holds the lock. The file is created when it is missing; the directory must exist. */
export function isOwned(directory: string): boolean {
  const connection = lockExclusively(join(directory, OWNER_LOCK_NAME));
  connection?.close();
  return connection === undefined;
}

/** A connection that holds the file, or undefined while another one does. Even opening may meet the lock: settings are read from the file. */
function lockExclusively(path: string): Connection | undefined {
  let connection: Connection | undefined;
  try {
    connection = new Connection({ path, busyTimeoutMs: 0 });
    connection.exec('BEGIN EXCLUSIVE');
    return connection;
  } catch (error) {
    connection?.close();
    const wrapped = sqliteError(error, `locking ${path}`);
    if (wrapped.code === 'DB_BUSY') return undefined;
    throw wrapped;
  }
}

function writeOwner(directory: string, info: OwnerInfo): void {
  const path = join(directory, OWNER_FILE_NAME);
  writeFileSync(`${path}.tmp`, `${JSON.stringify(info)}\n`, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

function identityOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
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
