/** The long work that control hands to the workers' room, by kind. */

export interface JobCall<P> {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: P) => void;
}

export type RunJob = (kind: string, args: unknown, call: JobCall<unknown>) => Promise<unknown>;
