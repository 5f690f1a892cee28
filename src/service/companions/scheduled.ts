/** A companion that does one work on a schedule and has nothing else to begin or end. */

import type { ScheduledTask, ScheduledWork, Scheduler } from '../schedule/scheduler.ts';
import type { Companion } from './companion.ts';

export class ScheduledCompanion implements Companion {
  readonly #scheduler: Scheduler;
  readonly #work: ScheduledWork;
  #task: ScheduledTask | undefined;

  constructor(scheduler: Scheduler, work: ScheduledWork) {
    this.#scheduler = scheduler;
    this.#work = work;
  }

  start(): void {
    this.#task = this.#scheduler.every(this.#work);
  }

  async stop(): Promise<void> {
    await this.#task?.stop();
  }
}
