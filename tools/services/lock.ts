/** Lets one of many processes do something once, and the next one when the first has died over it. */

import { linkSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identify, isAlive, type ProcessIdentity } from './process.ts';
import { readJSON } from './whole-file.ts';

/**
 * A row of numbered files `NAME.lock.N`, each made once and never removed, holding who made it: the last one's maker is at work. Whoever
 * finds it dead makes the next number, which only one can.
 */
export class StartLock {
  readonly #directory: string;
  readonly #prefix: string;

  constructor(directory: string, name: string) {
    this.#directory = directory;
    this.#prefix = `${name}.lock.`;
  }

  /** The result when there is one; else this process or another one works for it. */
  async once<T>(result: () => T | undefined, work: () => Promise<T>): Promise<T> {
    for (;;) {
      const there = result();
      if (there !== undefined) return there;
      const number = this.#last();
      const holder = readJSON<ProcessIdentity>(this.#path(number));
      if ((holder === undefined || !isAlive(holder)) && this.#take(number + 1)) return result() ?? (await work());
      await sleep(50);
    }
  }

  #last(): number {
    const numbers = readdirSync(this.#directory)
      .filter((file) => file.startsWith(this.#prefix))
      .map((file) => Number(file.slice(this.#prefix.length)));
    return Math.max(0, ...numbers);
  }

  #take(number: number): boolean {
    const draft = join(this.#directory, `draft-${process.pid}-${this.#prefix}${number}`);
    writeFileSync(draft, JSON.stringify(identify(process.pid)));
    try {
      linkSync(draft, this.#path(number));
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }

  #path(number: number): string {
    return join(this.#directory, `${this.#prefix}${number}`);
  }
}
