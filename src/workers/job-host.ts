/** Runs a job in a thread of its own, seen from the thread that wants its result (decision 5). */

import { Worker } from 'node:worker_threads';
import { errorFromData, LitestreamError } from '../base/errors.ts';
import type { JobArguments, JobKind, JobResults } from '../engine/jobs.ts';
import { nodeDisk } from '../engine/restore/disk.ts';
import { removeWorkspaceOf } from '../engine/restore/restore.ts';
import { workspaceToken } from '../engine/restore/workspace.ts';
import { scratchName } from '../engine/verify/verify.ts';
import type { FromJob, JobOptions, JobStart, ToJob } from './job-protocol.ts';
import { isLocalKind, MergeThreads } from './merge-threads.ts';

const merges = new MergeThreads();

/** How long a cancelled job may take to end by itself, ms. */
const CANCEL_GRACE_MS = 200;

/**
 * Runs a job and resolves with its result. Errors are those of the job; a thread that dies is ENGINE_STOPPED.
 *
 * After an abort this rejects with the signal's reason within 250 ms, unless the job was done before it could be stopped: then its result
 * is returned. A thread that is inside SQLite cannot be interrupted; it is ended as soon as it returns. In every case what it made is removed.
 */
export async function runJob<K extends JobKind>(kind: K, args: JobArguments[K], options: JobOptions = {}): Promise<JobResults[K]> {
  const { signal, onProgress, onNote, onRequests } = options;
  signal?.throwIfAborted();
  if (isLocalKind(kind)) return merges.run(kind, args as JobArguments[typeof kind], signal) as Promise<JobResults[K]>;
  const token = ('token' in args ? args.token : undefined) ?? workspaceToken();
  const start: JobStart<K> = { kind, args: { ...args, token } };
  const worker = new Worker(new URL(`./job-entry${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url), {
    name: kind,
    workerData: start,
  });
  const settled = Promise.withResolvers<JobResults[K]>();
  const report = (message: FromJob): void => {
    switch (message.type) {
      case 'progress':
        onProgress?.(message.progress);
        return;
      case 'note':
        onNote?.(message.note);
        return;
      case 'requests':
        onRequests?.(message.requests);
        return;
      case 'result':
        settled.resolve(message.result as JobResults[K]);
        return;
      case 'failure':
        settled.reject(errorFromData(message.error));
        return;
      case 'cancelled':
        settled.reject(signal?.reason);
    }
  };
  worker.on('message', report);
  worker.on('error', (error) => settled.reject(stopped(kind, error)));
  worker.on('exit', () => {
    settled.reject(signal?.aborted ? signal.reason : stopped(kind));
    removeWorkspaceOf(nodeDisk, placeOf(start), token);
  });
  const stopListening = cancelWith(worker, signal, settled.reject);
  try {
    return await settled.promise;
  } finally {
    stopListening();
  }
}

/** Asks the thread to end, then ends it. */
function cancelWith(worker: Worker, signal: AbortSignal | undefined, reject: (reason: unknown) => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const cancel = () => {
    worker.postMessage({ type: 'cancel' } satisfies ToJob);
    timer = setTimeout(() => {
      reject(signal?.reason);
      void worker.terminate();
    }, CANCEL_GRACE_MS);
  };
  signal?.addEventListener('abort', cancel, { once: true });
  worker.on('exit', () => clearTimeout(timer));
  return () => signal?.removeEventListener('abort', cancel);
}

/** Beside what the job makes its workspace. */
function placeOf({ args }: JobStart): string {
  return 'output' in args ? args.output : scratchName(args.scratch);
}

function stopped(kind: JobKind, cause?: unknown): LitestreamError {
  return new LitestreamError('ENGINE_STOPPED', `running ${kind}: the job's thread ended unexpectedly`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'Run it again; if this repeats, report it with the log lines before it.',
  });
}
