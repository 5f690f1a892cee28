/** The long work that control hands to the job workers, by kind; `runJob` of the workers' room fits as it is. */

import type { RestoreProgress } from '../engine/restore/progress.ts';
import type { RestoreRequest, RestoreResult } from '../engine/restore/restore.ts';
import type { VerifyRequest, VerifyResult } from '../engine/verify/verify.ts';
import type { StoreSpec } from '../storage/spec.ts';

export interface JobArguments {
  readonly restore: RestoreRequest & { readonly store: StoreSpec };
  readonly verify: VerifyRequest & { readonly store: StoreSpec };
}

export interface JobResults {
  readonly restore: RestoreResult;
  readonly verify: VerifyResult;
}

/** Rejects with the signal's reason within 250 ms of an abort, unless the work was done before. */
export type RunJob = <K extends keyof JobArguments>(
  kind: K,
  args: JobArguments[K],
  options?: { readonly signal?: AbortSignal; readonly onProgress?: (progress: RestoreProgress) => void },
) => Promise<JobResults[K]>;
