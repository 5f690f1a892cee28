/** One piece of long work: its state, its progress, and what came of it. */

import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { type ErrorData, errorToData, LitestreamError } from '../base/errors.ts';
import { redactErrorData } from '../base/redact.ts';
import type { Progress } from './progress.ts';

export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'interrupted';

export interface JobContext {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

export interface JobSpec<T> {
  readonly principal: string;
  readonly verb: string;
  /** Name of the database worked on. */
  readonly database: string;
  /** At most one unfinished job per lane; a second is refused with JOB_LIMIT. */
  readonly lane?: string;
  /** Counts against the bound of heavy work and queues for it. */
  readonly heavy: boolean;
  readonly run: (context: JobContext) => Promise<T>;
}

/** What aborts a job's work when its owner cancels it. */
export const cancelled = (): LitestreamError => new LitestreamError('CANCELLED', 'the job was cancelled');

export class Job<T = unknown> {
  readonly id = `job_${randomBytes(12).toString('base64url')}`;
  readonly spec: JobSpec<T>;
  /** ms since the epoch. */
  readonly createdAt: number;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  readonly #settled = Promise.withResolvers<T>();
  readonly #listeners = new Set<(progress: Progress) => void>();
  #state: JobState = 'queued';
  #progress: Progress | undefined;
  #startedAt: number | undefined;
  #endedAt: number | undefined;
  #result: T | undefined;
  #error: ErrorData | undefined;

  constructor(spec: JobSpec<T>, clock: Clock) {
    this.spec = spec;
    this.#clock = clock;
    this.createdAt = clock.now();
    // Nobody may be waiting when it fails; the error is kept as data.
    this.#settled.promise.catch(() => {});
  }

  get state(): JobState {
    return this.#state;
  }

  get progress(): Progress | undefined {
    return this.#progress;
  }

  get startedAt(): number | undefined {
    return this.#startedAt;
  }

  get endedAt(): number | undefined {
    return this.#endedAt;
  }

  get ended(): boolean {
    return this.#endedAt !== undefined;
  }

  get result(): T | undefined {
    return this.#result;
  }

  get error(): ErrorData | undefined {
    return this.#error;
  }

  /** Settles with the work; rejects with what the work threw. */
  get outcome(): Promise<T> {
    return this.#settled.promise;
  }

  /** Hands every later progress to `listener`; the answer takes it off again. */
  watch(listener: (progress: Progress) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Begins the work; never rejects. */
  async start(): Promise<void> {
    if (this.ended) return;
    this.#state = 'running';
    this.#startedAt = this.#clock.now();
    try {
      const result = await this.spec.run({ signal: this.#abort.signal, progress: (progress) => this.#report(progress) });
      this.#end('succeeded', { result });
      this.#settled.resolve(result);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Asks the work to stop; queued work ends at once. What has already succeeded stays so. */
  abort(reason: LitestreamError): void {
    if (this.ended) return;
    this.#abort.abort(reason);
    if (this.#state === 'queued') this.#fail(reason);
  }

  #fail(error: unknown): void {
    const state = !this.#abort.signal.aborted ? 'failed' : hasReason(this.#abort.signal, 'SHUTTING_DOWN') ? 'interrupted' : 'cancelled';
    this.#end(state, { error: redactErrorData(errorToData(error)) });
    this.#settled.reject(error);
  }

  #report(progress: Progress): void {
    if (this.ended) return;
    this.#progress = progress;
    for (const listener of this.#listeners) listener(progress);
  }

  #end(state: JobState, outcome: { readonly result?: T; readonly error?: ErrorData }): void {
    this.#state = state;
    this.#endedAt = this.#clock.now();
    this.#result = outcome.result;
    this.#error = outcome.error;
    this.#listeners.clear();
  }
}

function hasReason(signal: AbortSignal, code: string): boolean {
  return signal.reason instanceof LitestreamError && signal.reason.code === code;
}
