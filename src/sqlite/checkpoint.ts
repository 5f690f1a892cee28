/** Checkpoints and the row they answer with, which has to be read: "no error" says nothing about completeness. */

import { LitestreamError } from '../base/errors.ts';
import type { Connection } from './connection.ts';
import { sqliteError } from './errors.ts';

export type CheckpointMode = 'PASSIVE' | 'FULL' | 'RESTART' | 'TRUNCATE';

/** The WAL as SQLite's own index has it. */
export interface WALState {
  /** Frames of committed transactions in the current WAL generation. */
  readonly frames: number;
  /** How many of them are in the database file already. */
  readonly backfilled: number;
}

export interface CheckpointRow extends WALState {
  /** A lock could not be had: another checkpoint, a writer or a reader. */
  readonly busy: boolean;
}

/** Every frame is in the database file; also true of an empty WAL. */
export const isBackfilled = (state: WALState): boolean => state.frames === state.backfilled;

/** Checkpoints as far as others allow. PASSIVE never waits; the other modes wait for the connection's busy timeout while they keep writers out. */
export function checkpoint(connection: Connection, mode: CheckpointMode): CheckpointRow {
  return run(connection, mode);
}

/**
 * Reads the state without checkpointing (NOOP, SQLite 3.51): the only way to learn which frames are committed without looking into the -shm file.
 * Frames that a writer has put into the WAL file but not yet made visible are not counted.
 */
export function readWALState(connection: Connection): WALState {
  for (let attempt = 0; attempt < SPINS + NAPS; attempt++) {
    const row = run(connection, 'NOOP');
    if (!row.busy) return row;
    if (attempt >= SPINS) Atomics.wait(NAP, 0, 0, 1);
  }
  throw new LitestreamError('DB_BUSY', `reading the WAL state of ${connection.path}: the WAL index is being rebuilt`);
}

/** A commit makes the index unreadable for well under a microsecond, unless its process loses the processor in the middle. */
const SPINS = 50;
/** Then this many sleeps of a millisecond. */
const NAPS = 200;
const NAP = new Int32Array(new SharedArrayBuffer(4));

function run(connection: Connection, mode: CheckpointMode | 'NOOP'): CheckpointRow {
  const doing = `running a ${mode} checkpoint of ${connection.path}`;
  let row: Record<string, unknown> | undefined;
  try {
    row = connection.row(`PRAGMA wal_checkpoint(${mode})`);
  } catch (error) {
    throw sqliteError(error, doing);
  }
  const { busy, log, checkpointed } = row ?? {};
  if (typeof log !== 'number' || typeof checkpointed !== 'number') throw new LitestreamError('INTERNAL', `${doing}: there was no answer`);
  // SQLite answers −1 when it did nothing at all: not in WAL mode, or not admitted.
  if (log < 0 && busy === 0) throw new LitestreamError('DB_NOT_WAL', `${doing}: the database is not in WAL mode any more`);
  return { busy: busy !== 0, frames: Math.max(log, 0), backfilled: Math.max(checkpointed, 0) };
}
