/** One scheduled work: when its next run is due, and that there are never two. */

import type { Clock } from '../../base/clock.ts';
import { errorToData, LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ScheduledTask, ScheduledWork, Scheduler } from './scheduler.ts';
import type { Moment, TimerWheel } from './timer-wheel.ts';

/** First runs are spread over this, and so are runs that a jump of the clock has made due together; ms. */
const START_SPREAD = 5000;
/** Part of its interval by which a run may come later than the boundary, and the most it may, ms. */
const SPREAD_PART = 0.1;
const SPREAD = 30_000;

/** More than there are milliseconds in a spread; a fraction of 1 would take another object in each of thousands of tasks. */
const JITTERS = 2 ** 20;

export interface TaskNeeds {
  readonly clock: Clock;
  readonly log: Logger;
  readonly wheel: TimerWheel;
  readonly withBudget: Scheduler['withBudget'];
}

export class Task implements ScheduledTask, Moment {
  readonly #work: ScheduledWork;
  readonly #needs: TaskNeeds;
  /** In parts of JITTERS, by its name: the same in every process, different from its neighbours. */
  readonly #jitter: number;
  #due = 0;
  #running: Promise<void> | undefined;
  /** Of the run under way; thousands of tasks that wait have none. */
  #abort: AbortController | undefined;
  #isStopped = false;

  constructor(work: ScheduledWork, needs: TaskNeeds) {
    this.#work = work;
    this.#needs = needs;
    this.#jitter = hashOf(work.name) % JITTERS;
  }

  get due(): number {
    return this.#due;
  }

  begin(): void {
    const now = this.#needs.clock.now();
    this.#due = this.#work.atStart === true ? this.#soonAfter(now) : this.#nextAfter(now);
    this.#needs.wheel.add(this);
  }

  ring(): void {
    if (this.#isStopped) return;
    this.#due = this.#nextAfter(this.#needs.clock.now());
    this.#needs.wheel.add(this);
    if (this.#running === undefined && this.#work.isNeeded?.() !== false) void this.#run();
  }

  /** Forwards: what became due runs once. Backwards: nothing waits longer than its interval. */
  jumped(now: number): void {
    this.#due = this.#due <= now ? this.#soonAfter(now) : Math.min(this.#due, this.#nextAfter(now));
  }

  async runNow(): Promise<void> {
    await this.#running;
    if (!this.#isStopped) await (this.#running ?? this.#run());
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#needs.wheel.remove(this);
    this.#abort?.abort(new LitestreamError('SHUTTING_DOWN', `${this.#work.name} is being stopped`));
    await this.#running;
  }

  #run(): Promise<void> {
    const running = this.#once().finally(() => {
      this.#running = undefined;
      this.#abort = undefined;
    });
    this.#running = running;
    return running;
  }

  async #once(): Promise<void> {
    const { log, withBudget } = this.#needs;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    try {
      await withBudget(this.#work.budget, () => this.#work.run(signal), signal);
    } catch (error) {
      if (!signal.aborted) log.log('error', 'scheduled work failed', { work: this.#work.name, error: errorToData(error) });
    }
  }

  /** The first multiple of the interval, later by the jitter, that has not come yet. */
  #nextAfter(now: number): number {
    const { intervalMs } = this.#work;
    const delay = Math.round((this.#jitter / JITTERS) * Math.min(SPREAD, intervalMs * SPREAD_PART));
    return (Math.floor((now - delay) / intervalMs) + 1) * intervalMs + delay;
  }

  #soonAfter(now: number): number {
    return now + Math.round((this.#jitter / JITTERS) * Math.min(START_SPREAD, this.#work.intervalMs));
  }
}

/** FNV-1a with a last stirring: names that differ in one letter lie far apart. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 13), 0x297a2d39);
  return (hash ^ (hash >>> 16)) >>> 0;
}
