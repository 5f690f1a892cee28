/** A scheduler whose work runs only when a test says so. */

import type { Budget, ScheduledTask, ScheduledWork, Scheduler } from '../../src/service/schedule/scheduler.ts';

export class ManualScheduler implements Scheduler {
  readonly #works = new Map<ScheduledWork, AbortController>();

  every(work: ScheduledWork): ScheduledTask {
    const stopping = new AbortController();
    this.#works.set(work, stopping);
    let running: Promise<void> = Promise.resolve();
    return {
      runNow: () => {
        running = running.then(() => work.run(stopping.signal));
        return running;
      },
      stop: async () => {
        stopping.abort(new Error('stopped by the test'));
        this.#works.delete(work);
        await running.catch(() => {});
      },
    };
  }

  withBudget<T>(_budget: Budget, work: () => Promise<T>): Promise<T> {
    return work();
  }

  /** Names of everything scheduled. */
  get names(): string[] {
    return [...this.#works.keys()].map(({ name }) => name);
  }

  /** Runs every work whose name matches and that is needed, as a moment of the schedule does, one after the other; fails when there is none. */
  async run(name: string | RegExp): Promise<void> {
    const chosen = [...this.#works].filter(([work]) => (typeof name === 'string' ? work.name.includes(name) : name.test(work.name)));
    if (chosen.length === 0) throw new Error(`nothing called ${name} is scheduled, only: ${this.names.join(', ')}`);
    for (const [work, stopping] of chosen) if (work.isNeeded?.() !== false) await work.run(stopping.signal);
  }
}
