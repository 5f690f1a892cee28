/** The lock with which a daemon covers all its cold databases below one directory, instead of one lock for each (decision 11). */

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import type { Connection } from './connection.ts';
import { identityOf, lockExclusively } from './lock-file.ts';

const PREFIX = '.litestream-cold-';
const SUFFIX = '.lock';
const ATTEMPTS = 5;

/** @param id a word of 16 hex digits that no other process has. */
export const sharedLockName = (id: string): string => `${PREFIX}${id}${SUFFIX}`;

export class SharedLock {
  /** Absolute path of the lock file. */
  readonly path: string;
  readonly #connection: Connection;
  readonly #identity: string;

  private constructor(path: string, connection: Connection, identity: string) {
    this.path = path;
    this.#connection = connection;
    this.#identity = identity;
  }

  /** Takes the lock `id` of an existing directory (absolute path), and removes those that ended processes have left there. */
  static acquire(directory: string, id: string): SharedLock {
    const path = join(directory, sharedLockName(id));
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const connection = lockExclusively(path, 1000);
      const identity = identityOf(path);
      // Somebody who sweeps may remove the file between its creation and our lock: then we hold what nobody can find. Nobody else makes the name.
      if (connection !== undefined && identity !== undefined) {
        sweep(directory, id);
        return new SharedLock(path, connection, identity);
      }
      connection?.close();
    }
    throw new LitestreamError('DB_BUSY', `locking ${path}: another process holds or removes it again and again`);
  }

  /** False when the file at the path is not the one that is locked: nothing is covered any more. */
  isIntact(): boolean {
    return this.#connection.isOpen && identityOf(this.path) === this.#identity;
  }

  /** Removes the file. Safe to call twice. */
  release(): void {
    if (!this.#connection.isOpen) return;
    if (this.isIntact()) rmSync(this.path, { force: true });
    this.#connection.close();
  }
}

/** A lock that can be had belongs to nobody who lives. It is removed under that lock, so that nobody relies on it meanwhile. */
function sweep(directory: string, ownId: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(PREFIX) || !name.endsWith(SUFFIX) || name === sharedLockName(ownId)) continue;
    const path = join(directory, name);
    try {
      const connection = lockExclusively(path);
      if (connection !== undefined) rmSync(path, { force: true });
      connection?.close();
    } catch {
      // Of another user: it stays.
    }
  }
}
