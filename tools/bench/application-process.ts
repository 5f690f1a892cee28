/** The parent's side of an application process. */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Answer, Commits, CommitTimes, Order } from './application-child.ts';
import type { Scene } from './scene.ts';

/** One order at a time. */
export class Application {
  readonly #process: ChildProcess;

  constructor(scene: Scene) {
    this.#process = scene.fork('./application-child.ts', []);
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

  async #order(order: Order): Promise<Commits | undefined> {
    const ended = once(this.#process, 'exit').then(() => {
      throw new Error('the application has ended');
    });
    ended.catch(() => {}); // an end after the answer is nobody's concern
    this.#process.send(order);
    const [answer] = (await Promise.race([once(this.#process, 'message'), ended])) as [Answer];
    if ('error' in answer) throw new Error(`the application failed: ${answer.error}`);
    return answer.done;
  }
}
