/** The thread that watches cold databases, seen from the main loop. It is started by the first one, and again if it dies. */

import { Worker } from 'node:worker_threads';
import { errorToData } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { ArmResult, ColdWatch, NoticedBy } from '../engine/cold/cold-watch.ts';
import type { ColdPlace } from '../engine/cold/fingerprint.ts';
import type { FromWatch, ToWatch } from './watch-protocol.ts';

const ENTRY = new URL(`./watch-entry${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** A thread that lived for less is not started again at once, ms. */
const SOUND_LIFE = 10_000;

interface Armed {
  readonly id: number;
  readonly place: ColdPlace;
  readonly onChange: (by: NoticedBy) => void;
  /** Absent once it was answered. */
  answer?: ((result: ArmResult) => void) | undefined;
}

export class WatchThread implements ColdWatch {
  readonly #log: Logger;
  readonly #entry: URL;
  readonly #armed = new Map<string, Armed>();
  #worker: Worker | undefined;
  #startedAt = 0;
  #nextId = 1;
  #isClosed = false;

  /** @param entry module that the thread runs. */
  constructor(log: Logger, entry: URL = ENTRY) {
    this.#log = log;
    this.#entry = entry;
  }

  arm(name: string, place: ColdPlace, onChange: (by: NoticedBy) => void): Promise<ArmResult> {
    const id = this.#nextId++;
    this.#forget(name);
    return new Promise((answer) => {
      this.#armed.set(name, { id, place, onChange, answer });
      this.#send({ kind: 'arm', id, name, place });
    });
  }

  disarm(name: string): void {
    if (this.#forget(name)) this.#send({ kind: 'disarm', name });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const name of [...this.#armed.keys()]) this.#forget(name);
    await this.#worker?.terminate();
  }

  /** Whoever still waits for the answer is let go: nothing will be told to them. False when nothing is known of it. */
  #forget(name: string): boolean {
    const armed = this.#armed.get(name);
    this.#armed.delete(name);
    armed?.answer?.('armed');
    return armed !== undefined;
  }

  #send(message: ToWatch): void {
    if (this.#isClosed) return;
    this.#worker ??= this.#start();
    this.#worker.postMessage(message);
  }

  #start(): Worker {
    this.#startedAt = performance.now();
    const worker = new Worker(this.#entry, { name: 'watch' });
    worker.on('message', (message: FromWatch) => this.#receive(message));
    worker.on('error', (error) => this.#log.log('error', 'the watch of cold databases was lost', { error: errorToData(error) }));
    worker.on('exit', () => this.#lost(worker));
    return worker;
  }

  #receive(message: FromWatch): void {
    const armed = this.#armed.get(message.name);
    if (armed?.id !== message.id) return;
    if (message.kind === 'armed') {
      if (message.result !== 'armed') this.#armed.delete(message.name);
      const { answer } = armed;
      armed.answer = undefined;
      if (answer !== undefined) answer(message.result);
      else if (message.result !== 'armed') armed.onChange('sweep'); // armed anew after the thread was lost
      return;
    }
    this.#armed.delete(message.name);
    armed.onChange(message.by);
  }

  /** What happened meanwhile shows in the fingerprints when everything is armed anew. */
  #lost(worker: Worker): void {
    if (this.#worker !== worker || this.#isClosed) return;
    this.#worker = undefined;
    const all = [...this.#armed];
    for (const [name, { answer }] of all) {
      if (answer === undefined) continue;
      this.#armed.delete(name);
      answer('unwatchable');
    }
    if (performance.now() - this.#startedAt > SOUND_LIFE) {
      for (const [name, { id, place }] of this.#armed) this.#send({ kind: 'arm', id, name, place });
      return;
    }
    const unwatched = [...this.#armed.values()];
    this.#armed.clear();
    for (const { onChange } of unwatched) onChange('sweep');
  }
}
