/** When work that nobody asks for is done: one place that knows the clock, the budgets and how to spread thousands of databases. */

/** Work of one kind runs at most so many at a time over all databases. */
export type Budget =
  | 'listing'
  | 'compaction'
  | 'snapshot'
  | 'proof'
  /** Databases whose replicas are asked at the start, that are brought up then, and cold ones that are woken. */
  | 'asking'
  | 'opening'
  | 'waking';

export interface ScheduledWork {
  /** For logs, such as `compaction of level 1 of app/file`. */
  readonly name: string;
  /** At multiples of this on the wall clock (UTC), ms > 0, each task a little later by its own constant jitter. */
  readonly intervalMs: number;
  readonly budget: Budget;
  /** Also once soon after `every` was called, spread over the first seconds. Default false. */
  readonly atStart?: boolean;
  /** Asked at each moment that comes by itself, for next to nothing: false lets it pass. Default: every one counts. */
  isNeeded?(): boolean;
  /** Never runs twice at once; a tick that comes meanwhile is dropped. Handles its own failures: what it throws is logged as a defect. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ScheduledTask {
  /** Brings the next run forward to now, as soon as the budget allows; resolves when a run that began after the call has ended. */
  runNow(): Promise<void>;
  /** No further run; aborts the one under way and waits for it. */
  stop(): Promise<void>;
}

export interface Scheduler {
  every(work: ScheduledWork): ScheduledTask;
  /** Waits for a place in a budget for work that was asked for. */
  withBudget<T>(budget: Budget, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}
