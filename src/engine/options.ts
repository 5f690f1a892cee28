/** Settings of one database's replication, as the engine uses them: every field present, nothing left to parse. */

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
}

export interface ReplicaSettings {
  /** Unique among the database's replicas; default: the type. */
  readonly name: string;
  readonly store: StoreSpec;
  /** Least distance between two upload rounds, ms. */
  readonly syncIntervalMs: number;
  /** Files per round before other work gets a turn; Infinity for no bound. */
  readonly maxSyncFiles: number;
}
