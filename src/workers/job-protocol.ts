/** Jobs that read a replica in a thread of their own: their kinds, and what crosses between the threads. Only plain data does. */

import type { ErrorData } from '../base/errors.ts';
import type { RestoreProgress } from '../engine/restore/progress.ts';
import type { RestoreRequest, RestoreResult } from '../engine/restore/restore.ts';
import type { VerifyRequest, VerifyResult } from '../engine/verify/verify.ts';
import type { StoreSpec } from '../storage/spec.ts';

/** Settings, targets and file infos; the job opens its own client of the store. */
export interface JobArguments {
  readonly restore: RestoreRequest & { readonly store: StoreSpec };
  readonly verify: VerifyRequest & { readonly store: StoreSpec };
}

export interface JobResults {
  readonly restore: RestoreResult;
  readonly verify: VerifyResult;
}

export type JobKind = keyof JobArguments;

/** A few times a second at most. */
export type JobProgress = RestoreProgress;

export interface JobOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: JobProgress) => void;
}

/** What a thread is started with. */
export interface JobStart<K extends JobKind = JobKind> {
  readonly kind: K;
  readonly args: JobArguments[K];
}

export type ToJob = { readonly type: 'cancel' };

export type FromJob =
  | { readonly type: 'progress'; readonly progress: JobProgress }
  | { readonly type: 'result'; readonly result: JobResults[JobKind] }
  | { readonly type: 'failure'; readonly error: ErrorData }
  /** Ended because of `cancel`, with nothing left behind. */
  | { readonly type: 'cancelled' };
