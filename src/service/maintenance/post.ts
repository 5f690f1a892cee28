/** A work of one replica with its place in the schedule: there are thousands of these, so what they share is in one object for each replica. */

import type { CompanionContext } from '../companions/companion.ts';
import type { Budget, ScheduledTask, ScheduledWork } from '../schedule/scheduler.ts';
import type { Work } from './plan.ts';

/** What the posts of a replica share. */
export interface Rota {
  readonly context: CompanionContext;
  /** A moment of the schedule has come: false lets it pass, because there is nothing to do. */
  begins(post: Post): boolean;
  run(post: Post, signal: AbortSignal): Promise<void>;
}

export class Post implements ScheduledWork {
  readonly work: Work;
  /** It was due while it could not be done. */
  isOwed = false;
  /** It begins as soon as its budget allows. */
  isComing = false;
  /** When it was last done, or a moment passed in which there was nothing to do, ms since the epoch. */
  seenAt: number | undefined;
  readonly #rota: Rota;
  #task: ScheduledTask | undefined;

  constructor(work: Work, rota: Rota) {
    this.work = work;
    this.#rota = rota;
  }

  get name(): string {
    const { database, replica } = this.#rota.context;
    return `${this.work.of} of ${database.settings.name}/${replica.settings.name}`;
  }

  get intervalMs(): number {
    return this.work.intervalMs;
  }

  get budget(): Budget {
    return this.work.budget;
  }

  get atStart(): boolean {
    return true;
  }

  isNeeded(): boolean {
    return this.#rota.begins(this);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#rota.run(this, signal);
  }

  start(): void {
    this.#task = this.#rota.context.scheduler.every(this);
  }

  async stop(): Promise<void> {
    await this.#task?.stop();
  }

  /** Now, as soon as its budget allows, unless that is so already. */
  bringForward(): void {
    if (this.isComing || this.#task === undefined) return;
    this.isComing = true;
    void this.#task.runNow();
  }
}
