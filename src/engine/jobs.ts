/** Long work on a replica that runs in a thread of its own, by kind: what it takes and what it gives. Only plain data, because it crosses threads. */

import type { SealRequest, SealResult } from '../replica/encrypted/sealing.ts';
import type { StoreSpec } from '../storage/spec.ts';
import type { MergeRequest, MergeResult } from './compaction/merge-job.ts';
import type { FollowNote, FollowRequest } from './follow/request.ts';
import type { LegacyRestoreRequest, LegacyRestoreResult } from './legacy/restore.ts';
import type { FetchRequest, FetchResult } from './repair/fetch.ts';
import type { InspectRequest, InspectResult } from './repair/inspect.ts';
import type { RestoreProgress } from './restore/progress.ts';
import type { RestoreRequest, RestoreResult } from './restore/restore.ts';
import type { UndoRequest, UndoResult } from './restore/undo.ts';
import type { VerifyRequest, VerifyResult } from './verify/verify.ts';

/** Other replicas of the same database, for what the chosen one lacks or has damaged (docs/engine.md, Several replicas). */
export interface RestoreAlternates {
  /** The chosen replica, for people. */
  readonly name?: string;
  readonly alternates?: readonly { readonly name: string; readonly store: StoreSpec }[];
  /** The chosen one does not suffice: all are listed from the beginning. */
  readonly combine?: boolean;
}

/** Settings, targets and file infos; the job opens its own client of the store. */
export interface JobArguments {
  readonly restore: RestoreRequest & { readonly store: StoreSpec } & RestoreAlternates;
  readonly restoreLegacy: LegacyRestoreRequest & { readonly store: StoreSpec };
  /** Works on local files alone. */
  readonly undo: UndoRequest;
  readonly verify: VerifyRequest & { readonly store: StoreSpec };
  /** Runs until aborted, or until only a person can help. */
  readonly follow: FollowRequest & { readonly store: StoreSpec };
  /** Works on local files alone. */
  readonly merge: MergeRequest;
  /** Works on local files alone. */
  readonly seal: SealRequest;
  /** Reads every file of a replica. */
  readonly inspect: InspectRequest & { readonly store: StoreSpec };
  readonly fetch: FetchRequest & { readonly store: StoreSpec };
}

export interface JobResults {
  readonly restore: RestoreResult;
  readonly restoreLegacy: LegacyRestoreResult;
  readonly undo: UndoResult;
  readonly verify: VerifyResult;
  readonly follow: undefined;
  readonly merge: MergeResult;
  readonly seal: SealResult;
  readonly inspect: InspectResult;
  readonly fetch: FetchResult;
}

export type JobKind = keyof JobArguments;

/** What a job says on its way, besides progress. */
export type JobNote = FollowNote;

/** Rejects with the signal's reason within 250 ms of an abort, unless the work was done before. */
export type RunJob = <K extends JobKind>(
  kind: K,
  args: JobArguments[K],
  options?: {
    readonly signal?: AbortSignal;
    readonly onProgress?: (progress: RestoreProgress) => void;
    readonly onNote?: (note: JobNote) => void;
  },
) => Promise<JobResults[K]>;
