/** Settings of one database's replication, as the engine uses them: every field present, nothing left to parse. */

import type { Secret } from '../base/secret.ts';
import type { Level } from '../replica/file-info.ts';
import type { StoreSpec } from '../storage/spec.ts';

export interface DatabaseSettings {
  /** Short unique name; what people and models may say instead of the path. */
  readonly name: string;
  /** Absolute path of the database file. */
  readonly path: string;
  /** Absolute path of the metadata directory, by default `.NAME-litestream` beside the database (docs/engine.md, Local state). */
  readonly metaPath: string;
  /** Least distance between two level-0 files, ms (decision 8). */
  readonly monitorIntervalMs: number;
  /** How often the WAL is looked at when no file event arrives, ms. */
  readonly pollIntervalMs: number;
  /** Time trigger of checkpoints, ms; 0 turns it off. */
  readonly checkpointIntervalMs: number;
  /** WAL frames from which a PASSIVE checkpoint is tried, > 0. */
  readonly minCheckpointPages: number;
  /** WAL frames from which the emergency TRUNCATE is allowed; Infinity turns it off. */
  readonly truncatePages: number;
  readonly busyTimeoutMs: number;
  /** Soft bound of WAL bytes per level-0 file, applied at commit boundaries; Infinity for none. */
  readonly maxSyncWALBytes: number;
  /** LZ4 blocks (what 0.5.16 and later write) or LZ4 frames (readable by every 0.5). */
  readonly pageForm: 'block' | 'frame';
  /** What the local log may grow to for replicas that do not take it; absent: without bound. */
  readonly backlog?: BacklogSettings;
  /** Damaged or missing local state is wiped, and replication goes on with a full file, without being asked. Default false. */
  readonly autoRecover?: boolean;
  /** After this long without a change the database is closed until its next change, ms; absent: never. */
  readonly coldAfterMs?: number;
  /** Absolute path of a directory above the metadata directory, where one lock covers all cold databases below; default: its parent. */
  readonly lockRoot?: string;
}

/** Bound of the local files that wait for a replica; what is beyond it is replaced by a snapshot there (decision 26). */
export interface BacklogSettings {
  /** Bytes, > 0. */
  readonly bytes: number;
  /** ms, > 0. */
  readonly ageMs: number;
}

export interface ReplicaSettings {
  /** Unique among the database's replicas; default: the type. */
  readonly name: string;
  readonly store: StoreSpec;
  /** Least distance between two upload rounds, ms. */
  readonly syncIntervalMs: number;
  /** Files per round before other work gets a turn; Infinity for no bound. */
  readonly maxSyncFiles: number;
  /** A `best-effort` replica that fails or lags does not make its database degraded or an exit incomplete. Default `required`. */
  readonly role?: 'required' | 'best-effort';
  /** Absent: nothing is merged, snapshotted or deleted by schedule. */
  readonly maintenance?: MaintenanceSettings;
  /** Distance between scheduled verifications, ms; absent: only on demand. */
  readonly proofIntervalMs?: number;
  /** Absent: no lease, the first collision tells a second writer. */
  readonly lease?: LeaseSettings;
  /** Absolute path of a plain copy of the database that is kept up to date from this replica. */
  readonly mirror?: string;
  /** What opens data of version 0.3 that is encrypted with age: `AGE-SECRET-KEY-…`, or absolute paths of files that hold them. */
  readonly ageIdentities?: readonly Secret[];
  /** The destination changes with the date; `store` is where it was when the configuration was read. */
  readonly dated?: DatedDestination;
}

/** What is merged, kept and deleted at one replica over time (docs/engine.md, Levels). */
export interface MaintenanceSettings {
  /** Levels 1…n without holes; none: nothing is merged, and level 0 is never deleted there. */
  readonly levels: readonly LevelSettings[];
  /** Distance between level-9 files, ms, at multiples of it on the wall clock (UTC). */
  readonly snapshotIntervalMs: number;
  /** Level-9 files whose successor is older than this go, never the newest: moments up to this age keep their base; ms. */
  readonly snapshotRetentionMs: number;
  /** How often the retention of levels 1 to 9 is looked at, ms; absent: at each snapshot tick. */
  readonly retentionCheckMs?: number;
  /** Level-0 files that level 1 covers and that are older than this go, ms; 0 keeps them all. */
  readonly level0RetentionMs: number;
  readonly level0CheckMs: number;
  /** False: nothing is ever deleted at the replica (its own life-cycle rules do). */
  readonly deletes: boolean;
  /** After each merge the level is listed and checked for gaps and overlaps. */
  readonly verifyCompaction: boolean;
  /** Distance between checks of all levels for gaps and overlaps, ms; absent: none. */
  readonly validationMs?: number;
}

export interface LevelSettings {
  /** 1…8. */
  readonly level: Level;
  /** Distance between merges of the level below into it, ms, at multiples of it on the wall clock (UTC). */
  readonly intervalMs: number;
}

export interface LeaseSettings {
  /** How long a holder that is silent keeps it, ms. */
  readonly ttlMs: number;
  /** Who we are; the same word may take over its own lease. */
  readonly owner: string;
}

export interface DatedDestination {
  /** Path or URL with `$(date +FORMAT)` in it, otherwise resolved. */
  readonly template: string;
  /** IANA zone of the date. */
  readonly zone: string;
}
