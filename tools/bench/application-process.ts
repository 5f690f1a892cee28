/** The parent's side of an application process. */

import type { ChildProcess } from 'node:child_process';
import type { Answer, Commits, CommitTimes, Order } from './application-child.ts';
import type { Scene } from './scene.ts';

/** One order at a time. */
export class Application {
  readonly #process: ChildProcess;
  #pending: PromiseWithResolvers<Commits | undefined> | undefined;

  constructor(scene: Scene) {
    this.#process = scene.fork('./application-child.ts', []);
    this.#process.on('message', (answer: Answer) => {
      if ('error' in answer) this.#pending?.reject(new Error(`the application failed: ${answer.error}`));
      else this.#pending?.resolve(answer.done);
    });
    this.#process.on('exit', () => this.#pending?.reject(new Error('the application has ended')));
  }

  /** Makes a database with `rows` rows in WAL mode and all other settings as SQLite has them, and keeps it open. */
  async open(path: string, rows: number): Promise<void> {
    await this.#order({ kind: 'open', path, rows });
  }

  async commit(path: string, times: CommitTimes): Promise<Commits> {
    const commits = await this.#order({ kind: 'commit', path, times });
    if (commits === undefined) throw new Error('the application gave no times');
    return commits;
  }

  /** Begins a read transaction that stands until `release`. */
  async hold(path: string): Promise<void> {
    await this.#order({ kind: 'hold', path });
  }

  async release(): Promise<void> {
    await this.#order({ kind: 'release' });
  }

  #order(order: Order): Promise<Commits | undefined> {
    this.#pending = Promise.withResolvers();
    this.#process.send(order);
    return this.#pending.promise;
  }
}
