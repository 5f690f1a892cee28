/** The long work that control hands to the job workers, by kind; `runJob` of the workers' room fits as it is. */

import type { JobArguments, JobKind, JobResults } from '../engine/jobs.ts';
import type { RestoreProgress } from '../engine/restore/progress.ts';

/** Rejects with the signal's reason within 250 ms of an abort, unless the work was done before. */
export type RunJob = <K extends JobKind>(
  kind: K,
  args: JobArguments[K],
  options?: { readonly signal?: AbortSignal; readonly onProgress?: (progress: RestoreProgress) => void },
) => Promise<JobResults[K]>;
