/** The interface through which everyone above holds the replication of one live database, in its thread or in another (decision 5). */

import type { ErrorData } from '../base/errors.ts';
import type { TXID } from '../formats/ltx/txid.ts';
import type { ColdPlace } from './cold/fingerprint.ts';
import type { EngineState } from './events.ts';

export interface SyncResult {
  /** Position before and after; equal when nothing was new. */
  readonly before: TXID;
  readonly after: TXID;
}

/** What a reset moved out of the way. */
export interface ResetResult {
  /** Directory that holds the local files of before, laid out like a replica in files; absent when there were none. */
  readonly keptIn?: string;
  readonly files: number;
  /** Bytes. */
  readonly bytes: number;
}

export interface StagedFile {
  /** Absolute path of the finished local file; the caller deletes it. */
  readonly path: string;
  readonly minTXID: TXID;
  readonly maxTXID: TXID;
  /** Bytes. */
  readonly size: number;
  /** Creation time in the header, ms since the epoch. */
  readonly timestamp: number;
}

/** A database's pages as sums, taken inside one read transaction (decision 25). */
export interface PageSums {
  /** Binary file: one little-endian u64 per page 1…commit, CRC-64/ISO of the page; 0 for the lock page. The caller deletes it. */
  readonly path: string;
  readonly txid: TXID;
  readonly pageSize: number;
  readonly commit: number;
}

export interface EngineStatus {
  readonly state: EngineState;
  readonly error?: ErrorData;
  /** ms since the epoch of the last change of state. */
  readonly since: number;
  /** Newest local TXID; 0 when there is none. */
  readonly txid: TXID;
  /** Time of the newest local file, ms since the epoch. */
  readonly txidAt?: number;
  readonly pageSize?: number;
  /** Bytes of the database file and of the valid part of its WAL. */
  readonly dbSize: number;
  readonly walSize: number;
  /** WAL bytes committed but not yet in a level-0 file. */
  readonly pendingWALBytes: number;
  /** ms since the epoch at which the oldest change not yet in a level-0 file was first noticed. */
  readonly pendingSince?: number;
  readonly lastCheckpoint?: { readonly at: number; readonly mode: 'PASSIVE' | 'TRUNCATE'; readonly complete: boolean };
  readonly worstWriteLockMs: number;
}

export interface DatabaseEngine {
  /** Captures everything committed so far into level-0 files. DB_NOT_READY when the database is not open yet. */
  sync(): Promise<SyncResult>;
  checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): Promise<{ readonly complete: boolean; readonly writeLockMs: number }>;
  /** Writes a level-9 file of the current position into `directory` (docs/engine.md, Snapshots). */
  snapshot(directory: string): Promise<StagedFile>;
  /** Seals, notes the TXID and stores the page sums into `directory`. */
  pageSums(directory: string): Promise<PageSums>;
  /** A replica is further than we are: the next file is a full one at `floor` + 1 (docs/engine.md, Positions and repair). */
  raise(floor: TXID): Promise<void>;
  /** Forgets the local log, which is moved aside: the next file is a full one behind `floor` and behind all local files (docs/engine.md, Reset). */
  reset(floor: TXID): Promise<ResetResult>;
  status(): Promise<EngineStatus>;
  /**
   * As `close`, if nothing is pending and nobody has written lately; undefined when it stays open. From then on `sharedLock` (absolute path),
   * which this process must hold, keeps other processes away instead of the owner lock.
   */
  closeIfIdle(sharedLock: string): Promise<ColdPlace | undefined>;
  /** Final sync, then releases everything; safe to call twice. Rejects with the final sync's error after having released. */
  close(): Promise<void>;
}
