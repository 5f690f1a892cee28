/** Companions that do one work on a schedule and have nothing else to begin or end. */

import type { Budget, ScheduledTask, ScheduledWork, Scheduler } from '../schedule/scheduler.ts';
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

/** Work that looks through what lies at a replica: at the start of the process, and from time to time. */
export abstract class Looking implements ScheduledWork {
  abstract readonly name: string;
  abstract readonly intervalMs: number;

  get budget(): Budget {
    return 'listing';
  }

  get atStart(): boolean {
    return true;
  }

  abstract run(signal: AbortSignal): Promise<void>;
}
