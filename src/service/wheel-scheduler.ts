/** Runs scheduled work on the wall clock's multiples of its interval, spread and within budgets. */

import type { Clock } from '../base/clock.ts';
import { errorToData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { Budget, ScheduledTask, ScheduledWork, Scheduler } from './scheduler.ts';

const PLACES: Readonly<Record<Budget, number>> = { listing: 8, compaction: 2, snapshot: 1, proof: 1 };
/** The first runs of all tasks are spread over this, ms. */
const SPREAD = 5000;

export class WheelScheduler implements Scheduler {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #budgets = new Map<Budget, Semaphore>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  every(work: ScheduledWork): ScheduledTask {
    const stopping = new AbortController();
    const task = new Task(work, this, this.#clock, this.#log, stopping);
    task.begin();
    return task;
  }

  async withBudget<T>(budget: Budget, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const known = this.#budgets.get(budget) ?? new Semaphore(PLACES[budget]);
    this.#budgets.set(budget, known);
    return known.run(work, signal);
  }
}

class Task implements ScheduledTask {
  readonly #work: ScheduledWork;
  readonly #scheduler: Scheduler;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stopping: AbortController;
  readonly #jitter = Math.random();
  #loop: Promise<void> = Promise.resolve();
  #running: Promise<void> | undefined;

  constructor(work: ScheduledWork, scheduler: Scheduler, clock: Clock, log: Logger, stopping: AbortController) {
    this.#work = work;
    this.#scheduler = scheduler;
    this.#clock = clock;
    this.#log = log;
    this.#stopping = stopping;
  }

  begin(): void {
    this.#loop = this.#ticks().catch(() => {}); // ends with the abort of its sleep
  }

  async runNow(): Promise<void> {
    await this.#running;
    await this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new LitestreamError('SHUTTING_DOWN', `${this.#work.name} is being stopped`));
    await this.#loop;
    await this.#running;
  }

  async #ticks(): Promise<void> {
    const { intervalMs, atStart = false } = this.#work;
    const signal = this.#stopping.signal;
    if (atStart) {
      await this.#clock.sleep(this.#jitter * Math.min(SPREAD, intervalMs), { signal, unref: true });
      await this.#run();
    }
    for (;;) {
      const now = this.#clock.now();
      const next = (Math.floor(now / intervalMs) + 1) * intervalMs;
      await this.#clock.sleep(next - now + this.#jitter * Math.min(SPREAD, intervalMs / 10), { signal, unref: true });
      await this.#run();
    }
  }

  #run(): Promise<void> {
    this.#running ??= this.#once().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #once(): Promise<void> {
    const signal = this.#stopping.signal;
    try {
      await this.#scheduler.withBudget(this.#work.budget, () => this.#work.run(signal), signal);
    } catch (error) {
      if (!signal.aborted) this.#log.log('error', 'scheduled work failed', { work: this.#work.name, error: errorToData(error) });
    }
  }
}
