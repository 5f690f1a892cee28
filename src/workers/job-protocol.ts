/** Jobs that read a replica in a thread of their own: their kinds, and what crosses between the threads. Only plain data does. */

import type { ErrorData } from '../base/errors.ts';
import type { JobRequests } from '../engine/job-requests.ts';
import type { JobArguments, JobKind, JobNote, JobResults } from '../engine/jobs.ts';
import type { RestoreProgress } from '../engine/restore/progress.ts';

/** A few times a second at most. */
export type JobProgress = RestoreProgress;

export interface JobOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: JobProgress) => void;
  readonly onNote?: (note: JobNote) => void;
  /** Told once a second at most what was asked of destinations since the last time, and at the end. */
  readonly onRequests?: (requests: readonly JobRequests[]) => void;
}

/** What a thread is started with. */
export interface JobStart<K extends JobKind = JobKind> {
  readonly kind: K;
  readonly args: JobArguments[K];
}

export type ToJob = { readonly type: 'cancel' };

export type FromJob =
  | { readonly type: 'progress'; readonly progress: JobProgress }
  | { readonly type: 'note'; readonly note: JobNote }
  | { readonly type: 'requests'; readonly requests: readonly JobRequests[] }
  | { readonly type: 'result'; readonly result: JobResults[JobKind] }
  | { readonly type: 'failure'; readonly error: ErrorData }
  /** Ended because of `cancel`, with nothing left behind. */
  | { readonly type: 'cancelled' };
