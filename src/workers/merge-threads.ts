/** Threads for work on local files, kept for a while: a merge of small files takes less time than the start of a thread. */

import { Worker } from 'node:worker_threads';
import { type ErrorData, errorFromData, LitestreamError } from '../base/errors.ts';
import type { JobArguments, JobResults } from '../engine/jobs.ts';

/** Kinds of work that need neither a store nor SQLite. */
export type LocalKind = 'merge' | 'seal';

export const isLocalKind = (kind: string): kind is LocalKind => kind === 'merge' || kind === 'seal';

export interface ToMerge<K extends LocalKind = LocalKind> {
  readonly kind: K;
  readonly args: JobArguments[K];
}

export type FromMerge =
  | { readonly type: 'result'; readonly result: JobResults[LocalKind] }
  | { readonly type: 'failure'; readonly error: ErrorData };

/** How long a thread without work is kept, ms. */
const KEEP_MS = 45_000;
/** Threads without work that are kept; as many as merge at a time in a daemon. */
const MOST_KEPT = 2;
/** How long a cancelled thread may take to end before it is left to itself, ms. */
const CANCEL_GRACE_MS = 200;

interface Kept {
  readonly worker: Worker;
  readonly timer: NodeJS.Timeout;
}

export class MergeThreads {
  readonly #kept: Kept[] = [];

  /** As `runJob`. Threads without work do not keep the process alive. */
  async run<K extends LocalKind>(kind: K, args: JobArguments[K], signal?: AbortSignal): Promise<JobResults[K]> {
    signal?.throwIfAborted();
    const worker = this.#take();
    const settled = Promise.withResolvers<FromMerge>();
    const onError = (cause: unknown) => settled.reject(stopped(kind, cause));
    const onExit = () => settled.reject(signal?.aborted === true ? signal.reason : stopped(kind));
    const onAbort = () => {
      const grace = new Promise((resolve) => setTimeout(resolve, CANCEL_GRACE_MS));
      void Promise.race([worker.terminate(), grace]).then(() => settled.reject(signal?.reason));
    };
    worker.once('message', settled.resolve).once('error', onError).once('exit', onExit);
    signal?.addEventListener('abort', onAbort, { once: true });
    worker.postMessage({ kind, args } satisfies ToMerge);
    try {
      const message = await settled.promise;
      if (signal?.aborted !== true) this.#keep(worker);
      if (message.type === 'failure') throw errorFromData(message.error);
      return message.result as JobResults[K];
    } finally {
      signal?.removeEventListener('abort', onAbort);
      worker.off('message', settled.resolve).off('error', onError).off('exit', onExit);
    }
  }

  /** Ends the threads without work. */
  async close(): Promise<void> {
    await Promise.all(this.#kept.splice(0).map((kept) => end(kept)));
  }

  #take(): Worker {
    const kept = this.#kept.pop();
    if (kept === undefined) {
      const entry = new URL(`./merge-entry${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
      return new Worker(entry, { name: 'merge' });
    }
    clearTimeout(kept.timer);
    kept.worker.removeAllListeners('exit');
    kept.worker.ref();
    return kept.worker;
  }

  #keep(worker: Worker): void {
    if (this.#kept.length >= MOST_KEPT) return void worker.terminate();
    const timer = setTimeout(() => this.#drop(worker), KEEP_MS);
    timer.unref();
    worker.unref();
    worker.once('exit', () => this.#drop(worker));
    this.#kept.push({ worker, timer });
  }

  #drop(worker: Worker): void {
    const at = this.#kept.findIndex((kept) => kept.worker === worker);
    for (const kept of at === -1 ? [] : this.#kept.splice(at, 1)) void end(kept);
  }
}

async function end({ worker, timer }: Kept): Promise<void> {
  clearTimeout(timer);
  await worker.terminate();
}

const stopped = (kind: LocalKind, cause?: unknown): LitestreamError =>
  new LitestreamError('ENGINE_STOPPED', `running ${kind}: the job's thread ended unexpectedly`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'It is tried again; if this repeats, report it with the log lines before it.',
  });
