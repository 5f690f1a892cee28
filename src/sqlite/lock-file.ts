/** Lock files: SQLite files held with an exclusive transaction, which the kernel releases when the process dies (decision 11). */

import { existsSync, statSync } from 'node:fs';
import { Connection } from './connection.ts';
import { sqliteError } from './errors.ts';

/** Between two attempts, ms. SQLite's own waiting grows to 100 ms and misses the moment among others that try all the time. */
const PAUSE_MS = 1;

/**
 * A connection that holds the file, or undefined when another one has held it for `patienceMs`, during which this thread is blocked.
 * Even opening may meet the lock: settings are read from the file.
 */
export function lockExclusively(path: string, patienceMs = 0): Connection | undefined {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const locked = unlessBusy(path, () => {
      const connection = new Connection({ path, busyTimeoutMs: 0 });
      return begin(connection, () => connection.exec('BEGIN EXCLUSIVE'));
    });
    if (locked !== undefined || performance.now() >= deadline) return locked;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
}

/** True while some connection holds the file; it is not created. Probes at the same time do not take each other for an owner. */
export function isLocked(path: string, patienceMs: number): boolean {
  if (!existsSync(path)) return false;
  const connection = unlessBusy(path, () => {
    const probe = new Connection({ path, busyTimeoutMs: patienceMs });
    return begin(probe, () => probe.row('SELECT count(*) FROM sqlite_schema'));
  });
  connection?.close();
  return connection === undefined;
}

/** Device and inode; undefined when there is no file. */
export function identityOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
}

function begin(connection: Connection, work: () => unknown): Connection {
  try {
    work();
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function unlessBusy(path: string, open: () => Connection): Connection | undefined {
  try {
    return open();
  } catch (error) {
    const wrapped = sqliteError(error, `locking ${path}`);
    if (wrapped.code === 'DB_BUSY') return undefined;
    throw wrapped;
  }
}
