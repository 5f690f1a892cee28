/** The jobs of this process: who may see them, how many run, how long they are remembered (docs/mcp.md, Limits). */

import { type Clock, systemClock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import { cancelled, Job, type JobSpec } from './job-work.ts';

export interface JobLimits {
  /** Heavy jobs at once. */
  readonly heavy: number;
  /** Heavy jobs that may wait for a place. */
  readonly queued: number;
  readonly perPrincipal: number;
  /** Life of an ended job, ms. */
  readonly keepMs: number;
}

export const JOB_LIMITS: JobLimits = { heavy: 2, queued: 20, perPrincipal: 200, keepMs: 86_400_000 };

/** How long a cancelled job may take to stop before the answer goes out, ms. */
const CANCEL_WAIT_MS = 250;
const RETRY_AFTER_SECONDS = 10;

export class Jobs {
  readonly #clock: Clock;
  readonly #limits: JobLimits;
  readonly #jobs = new Map<string, Job>();
  readonly #waiting: Job[] = [];
  #heavyRunning = 0;
  #closed = false;

  constructor({ clock = systemClock, limits = JOB_LIMITS }: { readonly clock?: Clock; readonly limits?: JobLimits } = {}) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get running(): number {
    return this.#count((job) => job.state === 'running');
  }

  get queued(): number {
    return this.#count((job) => job.state === 'queued');
  }

  /** Unfinished jobs of a verb, over all principals. */
  unfinished(verb: string): number {
    return this.#count((job) => !job.ended && job.spec.verb === verb);
  }

  /** True while a job of this lane is unfinished. */
  isBusy(lane: string): boolean {
    return this.#count((job) => !job.ended && job.spec.lane === lane) > 0;
  }

  /** Throws what `start` would throw now. */
  checkRoom(spec: Pick<JobSpec<unknown>, 'verb' | 'database' | 'lane' | 'heavy'>): void {
    if (this.#closed) throw new LitestreamError('SHUTTING_DOWN', 'the program is shutting down');
    const lane = spec.lane;
    if (lane !== undefined && this.isBusy(lane)) {
      throw limitReached(`${spec.verb} of ${spec.database} is already running`);
    }
    if (spec.heavy && this.#heavyRunning >= this.#limits.heavy && this.#waiting.length >= this.#limits.queued) {
      throw limitReached(`${this.#limits.heavy} long jobs are running and ${this.#waiting.length} are waiting`);
    }
  }

  /** Begins or queues work. JOB_LIMIT when the queue or the lane is full, SHUTTING_DOWN after `close`. */
  start<T>(spec: JobSpec<T>): Job<T> {
    this.checkRoom(spec);
    const job = new Job<T>(spec, this.#clock);
    this.#jobs.set(job.id, job as Job);
    this.#forget(spec.principal);
    if (spec.heavy && this.#heavyRunning >= this.#limits.heavy) this.#waiting.push(job as Job);
    else this.#run(job as Job);
    return job;
  }

  /** The caller's own job; undefined when there is none of that id, also when it is someone else's. */
  find(principal: string, id: string): Job | undefined {
    this.#forget(principal);
    const job = this.#jobs.get(id);
    return job?.spec.principal === principal ? job : undefined;
  }

  /** The caller's own jobs, newest first. */
  list(principal: string): Job[] {
    this.#forget(principal);
    return this.#own(principal).reverse();
  }

  /** Asks the job to stop and waits a moment for it. True when there was something to stop. */
  async cancel(job: Job): Promise<boolean> {
    if (job.ended) return false;
    job.abort(cancelled());
    const enough = new AbortController();
    await Promise.race([job.outcome.catch(() => {}), this.#clock.sleep(CANCEL_WAIT_MS, { signal: enough.signal }).catch(() => {})]);
    enough.abort();
    return true;
  }

  /** Stops everything and resolves when the work has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    const reason = new LitestreamError('SHUTTING_DOWN', 'the program is shutting down');
    const open = [...this.#jobs.values()].filter((job) => !job.ended);
    for (const job of open) job.abort(reason);
    await Promise.allSettled(open.map((job) => job.outcome));
  }

  #run(job: Job): void {
    if (!job.spec.heavy) {
      void job.start();
      return;
    }
    this.#heavyRunning += 1;
    void job.start().finally(() => {
      this.#heavyRunning -= 1;
      this.#next();
    });
  }

  #next(): void {
    while (this.#heavyRunning < this.#limits.heavy) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      if (!job.ended) this.#run(job);
    }
  }

  #own(principal: string): Job[] {
    return [...this.#jobs.values()].filter((job) => job.spec.principal === principal);
  }

  /** Ended jobs go when they are old, or, oldest first, when their owner has too many. */
  #forget(principal: string): void {
    const expired = this.#clock.now() - this.#limits.keepMs;
    for (const [id, job] of this.#jobs) if (job.endedAt !== undefined && job.endedAt < expired) this.#jobs.delete(id);
    const own = this.#own(principal);
    const surplus = own.length - this.#limits.perPrincipal;
    if (surplus > 0) for (const job of own.filter(({ ended }) => ended).slice(0, surplus)) this.#jobs.delete(job.id);
  }

  #count(wanted: (job: Job) => boolean): number {
    let total = 0;
    for (const job of this.#jobs.values()) if (wanted(job)) total += 1;
    return total;
  }
}

/** JOB_LIMIT with the time after which another try makes sense. */
export function limitReached(what: string): LitestreamError {
  return new LitestreamError('JOB_LIMIT', what, {
    details: { retry_after_seconds: RETRY_AFTER_SECONDS },
    hint: 'Wait for a running job to end, or cancel one.',
  });
}
