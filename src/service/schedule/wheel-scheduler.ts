/** Runs scheduled work on the wall clock's multiples of its interval, spread and within budgets, with one timer for all of it. */

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { Task, type TaskNeeds } from './scheduled-task.ts';
import type { Budget, ScheduledTask, ScheduledWork, Scheduler } from './scheduler.ts';
import { TimerWheel } from './timer-wheel.ts';

const PLACES: Readonly<Record<Budget, number>> = { listing: 8, compaction: 2, snapshot: 1, proof: 1, asking: 64, opening: 16, waking: 16 };

export class WheelScheduler implements Scheduler {
  readonly #needs: TaskNeeds;
  readonly #budgets = new Map<Budget, Semaphore>();

  constructor(clock: Clock, log: Logger) {
    this.#needs = { clock, log, wheel: new TimerWheel(clock), withBudget: (budget, work, signal) => this.withBudget(budget, work, signal) };
  }

  every(work: ScheduledWork): ScheduledTask {
    const task = new Task(work, this.#needs);
    task.begin();
    return task;
  }

  withBudget<T>(budget: Budget, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const known = this.#budgets.get(budget) ?? new Semaphore(PLACES[budget]);
    this.#budgets.set(budget, known);
    return known.run(work, signal);
  }
}
