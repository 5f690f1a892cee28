/** Which database lives on which engine thread. */

import { availableParallelism } from 'node:os';
import type { Logger } from '../base/log.ts';
import { EngineThread } from './engine-thread.ts';

export class EnginePool {
  readonly #limit: number;
  readonly #makeThread: () => EngineThread;
  #threads: EngineThread[] = [];

  /** @param limit largest number of threads; by default one per core. @param entry module that the threads run. */
  constructor(log: Logger, limit: number = availableParallelism(), entry?: URL) {
    this.#limit = Math.max(1, limit);
    this.#makeThread = () => new EngineThread(log, entry);
  }

  /** The thread with the fewest databases; a new one while there is room. */
  pick(): EngineThread {
    this.#threads = this.#threads.filter((thread) => thread.alive);
    const idle = this.#threads.find((thread) => thread.databases === 0);
    if (idle !== undefined) return idle;
    if (this.#threads.length < this.#limit) {
      const thread = this.#makeThread();
      this.#threads.push(thread);
      return thread;
    }
    return this.#threads.reduce((least, thread) => (thread.databases < least.databases ? thread : least));
  }

  /** Ends all threads; every database must have been closed. */
  async close(): Promise<void> {
    const threads = this.#threads;
    this.#threads = [];
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}
