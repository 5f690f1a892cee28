/** Work that accompanies the uploads of one replica: maintenance, proofs, a lease, a mirror. Each is a file of its own and knows nothing of the others. */

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { RunJob } from '../../engine/jobs.ts';
import type { LocalLog } from '../../engine/upload/local-log.ts';
import type { Staging } from '../local/staging.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import type { CompanionFacts, DatabaseHandle, ReplicaHandle } from '../service.ts';

export interface CompanionContext {
  readonly database: DatabaseHandle;
  readonly replica: ReplicaHandle;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  /** Carries the names of database and replica. */
  readonly log: Logger;
  /** Directories for unfinished files, in the metadata directory; swept by the owner after a crash. */
  readonly staging: Staging;
  /** The local level-0 files. */
  readonly local: LocalLog;
  readonly runJob: RunJob;
  /** Counts something for the metrics (docs/metrics.md). */
  readonly count: (what: CompanionCount, amount?: number) => void;
}

export type CompanionCount =
  | 'compactions'
  | 'compaction_failures'
  | 'compacted_bytes'
  | 'compaction_inconsistencies'
  | 'snapshots'
  | 'retention_deleted_files'
  | 'proofs_passed'
  | 'proofs_failed'
  | 'proofs_inconclusive'
  | 'lease_losses';

export interface Companion {
  /** Called once, after the uploads of the replica have begun. */
  start(): void;
  /** Ends everything it started, within a second or so; called once, before the last upload when `isBeforeFlush`, else after it. */
  stop(): Promise<void>;
  /** True: stopped before the last upload (most). False: after it (a lease must outlive the uploads). Default true. */
  readonly isBeforeFlush?: boolean;
  /** Called every few seconds by the observer: returns at once, and costs next to nothing while nothing changes. */
  look?(): void;
  /** What it adds to the status of its replica. */
  facts?(): CompanionFacts;
}

/** Undefined when the replica's settings ask for nothing of it. May guard the replica's writes at once, see `Replica.guardWrites`. */
export type MakeCompanion = (context: CompanionContext) => Companion | undefined;
