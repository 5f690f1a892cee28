/** What everyone above holds of a running set of databases. */

import type { ErrorData } from '../base/errors.ts';
import type { EngineStatus, PageSums, ResetResult, SyncResult } from '../engine/database-engine.ts';
import type { DatabaseSettings, ReplicaSettings } from '../engine/options.ts';
import type { TXID } from '../formats/ltx/txid.ts';
import type { FileInfo } from '../replica/file-info.ts';
import type { Replica } from '../replica/replica.ts';
import type { DisabledDatabase } from './options.ts';

/** Words shared by CLI, MCP, metrics and health. `degraded`: a replica is behind its budget. `disabled`: see DisabledDatabase. */
export type DatabaseState = 'waiting' | 'starting' | 'replicating' | 'degraded' | 'failing' | 'stopped' | 'disabled';

/** What companions add to the status of a replica. Times in ms since the epoch. */
export interface CompanionFacts {
  readonly maintenance?: {
    /** By level: when it was last merged into, or last looked at without need. */
    readonly compactedAt?: Readonly<Record<number, number>>;
    readonly snapshotAt?: number;
    readonly retentionAt?: number;
  };
  readonly proof?: ProofFacts;
  readonly lease?: {
    readonly state: 'waiting' | 'held' | 'lost';
    readonly owner?: string;
    readonly fencing?: bigint;
    readonly expiresAt?: number;
  };
  readonly mirror?: { readonly path: string; readonly txid?: TXID; readonly at?: number };
  /** What cannot be done here for want of an identity, as a sentence. */
  readonly writeOnly?: string;
  readonly troubles?: readonly CompanionTrouble[];
  /** For how long a change has certainly been waiting for this replica, by the monotonic clock, seconds. */
  readonly waitingSeconds?: number;
}

/** A standing trouble of a companion; makes its replica `degraded`. */
export interface CompanionTrouble {
  /** Of which companion, such as `compaction`. */
  readonly of: string;
  readonly error: ErrorData;
  /** ms since the epoch. */
  readonly since: number;
}

/** Outcome of the newest verification of a replica. */
export interface ProofFacts {
  readonly outcome: 'passed' | 'failed' | 'inconclusive';
  readonly txid?: TXID;
  readonly at: number;
  /** Whole sentences; empty when passed. */
  readonly reasons: readonly string[];
  /** The newest verification that passed, which may be this one. */
  readonly lastPassed?: { readonly txid: TXID; readonly at: number };
}

export interface ReplicaStatus extends CompanionFacts {
  readonly role: 'required' | 'best-effort';
  readonly name: string;
  readonly type: string;
  /** Destination without credentials. */
  readonly destination: string;
  readonly state: 'starting' | 'replicating' | 'degraded' | 'failing' | 'stopped';
  /** Largest TXID known to be there; undefined while unknown. */
  readonly txid?: TXID;
  readonly lagTXIDs?: bigint;
  /** Age of the oldest local change that is not there, seconds; 0 when in sync; grows while uploads fail. */
  readonly lagSeconds: number;
  readonly pendingBytes: number;
  /** ms since the epoch of the last upload, and of the last upload or confirmed-in-sync round. */
  readonly lastUploadAt?: number;
  readonly lastConfirmedAt?: number;
  /** The failure that stands; `nextTryAt` is absent when nothing is tried any more in this process. */
  readonly lastError?: { readonly error: ErrorData; readonly at: number; readonly attempts: number; readonly nextTryAt?: number };
}

export interface DatabaseStatus {
  readonly state: DatabaseState;
  readonly since: number;
  readonly error?: ErrorData;
  readonly engine: EngineStatus;
  readonly replicas: readonly ReplicaStatus[];
  /** Age of the oldest change confirmed at no replica, seconds. */
  readonly unprotectedSeconds: number;
  /** Absent when its settings do not allow that it is closed. */
  readonly cold?: ColdFacts;
}

/** What the closing and waking of a database has come to in this process. */
export interface ColdFacts {
  readonly wakes: number;
  /** Wakes that had to write a full file, because what had happened meanwhile could not be proven. */
  readonly fullFileWakes: number;
  /** How long it has to be idle now before it is closed, ms. */
  readonly patienceMs: number;
}

export interface ReplicaHandle {
  readonly settings: ReplicaSettings;
  readonly replica: Replica;
  /** The position confirmed there; undefined while unknown. */
  readonly position: TXID | undefined;
  status(): ReplicaStatus;
  /** Lets what accompanies it look for itself; called by the observer, returns at once. */
  look?(): void;
  /** Resolves when everything that is durable locally is there. */
  flush(signal?: AbortSignal): Promise<void>;
  /**
   * Asks the replica anew where it is and tries again at once, after somebody has removed the cause of a failure.
   * `othersWrote`: files of another writer there are in order, because a lease was not ours for a while.
   */
  retryNow(options?: { readonly othersWrote?: boolean }): void;
}

/** What beginning the local state of a database anew has come to. */
export interface ResetOutcome extends ResetResult {
  /** Largest TXID in use anywhere: the next file is a full one behind it. */
  readonly floor: TXID;
}

export interface DatabaseHandle {
  readonly settings: DatabaseSettings;
  /** Its engine is closed until somebody writes. */
  readonly isCold?: boolean;
  readonly replicas: readonly ReplicaHandle[];
  status(): Promise<DatabaseStatus>;
  /** Captures the WAL; with `wait` also uploads until every replica that counts has the position. */
  sync(options: { readonly wait: boolean; readonly signal?: AbortSignal }): Promise<SyncResult>;
  /** Writes a level-9 file of the current position to `replica`. */
  snapshot(replica: ReplicaHandle, signal?: AbortSignal): Promise<FileInfo>;
  pageSums(directory: string): Promise<PageSums>;
  /** Begins the local state anew behind all that the replicas hold; the local files of before are moved aside. `reason` is for the log. */
  reset(reason: string): Promise<ResetOutcome>;
  /** Lets `replica` go on at another destination, which begins with a snapshot; resolves when it does, or when it could not and stays. */
  moveReplica(replica: ReplicaHandle, settings: ReplicaSettings): Promise<void>;
}

export interface ReplicationService {
  /** ms since the epoch. */
  readonly startedAt: number;
  /** As of now: members of directories come and go. */
  readonly databases: readonly DatabaseHandle[];
  /** What is configured and cannot be used as it is; absent or empty for none. */
  readonly disabled?: readonly DisabledDatabase[];
  /** How the watched directories are doing; absent or empty without any. */
  readonly directories?: readonly DirectoryStatus[];
}

/** A watched directory of databases. */
export interface DirectoryStatus {
  readonly dir: string;
  readonly pattern: string;
  /** `waiting`: it does not exist yet. `degraded`: it is looked through once in a while, or a file in it cannot be replicated. */
  readonly state: 'starting' | 'watching' | 'waiting' | 'degraded' | 'stopped';
  /** Databases of it that are replicated now. */
  readonly members: number;
  /** What stands in the way, newest first. */
  readonly problems: readonly { readonly path: string; readonly error: ErrorData; readonly since: number }[];
}
