/** One engine thread seen from the main loop: hands out `DatabaseEngine`s whose work happens over there (design decision 5). */

import { Worker } from 'node:worker_threads';
import { errorFromData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { DatabaseEngine } from '../engine/database-engine.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { DatabaseSettings } from '../engine/options.ts';
import type { EngineArguments, EngineResult, FromEngine, OpenFacts, ToEngine } from './engine-protocol.ts';

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

interface Listener {
  readonly onEvent: (event: EngineEvent) => void;
  /** The thread died; everything under way has already been rejected with ENGINE_STOPPED. */
  readonly onStopped: (error: LitestreamError) => void;
}

export class EngineThread {
  readonly #worker: Worker;
  readonly #log: Logger;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<string, Listener>();
  #nextId = 1;
  #stopped: LitestreamError | undefined;

  constructor(log: Logger) {
    this.#log = log;
    this.#worker = new Worker(new URL(`./engine-entry${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url), {
      name: 'engine',
    });
    this.#worker.on('message', (message: FromEngine) => this.#receive(message));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(undefined));
  }

  /** False once the thread is gone; a new one has to be made. */
  get alive(): boolean {
    return this.#stopped === undefined;
  }

  get databases(): number {
    return this.#listeners.size;
  }

  /** Opens `settings.name` over there. Opening problems arrive as events and with `status`. */
  open(settings: DatabaseSettings, facts: OpenFacts, listener: Listener): DatabaseEngine {
    const database = settings.name;
    if (this.#stopped !== undefined) throw this.#stopped;
    this.#listeners.set(database, listener);
    this.#send({ kind: 'open', database, settings, facts });
    const call = <V extends keyof DatabaseEngine>(verb: V, ...values: EngineArguments<V>) => this.#call(database, verb, values);
    return {
      sync: () => call('sync'),
      checkpoint: (mode) => call('checkpoint', mode),
      snapshot: (directory) => call('snapshot', directory),
      pageSums: (directory) => call('pageSums', directory),
      raise: (floor) => call('raise', floor),
      status: () => call('status'),
      close: async () => {
        if (!this.#listeners.has(database)) return;
        try {
          await call('close');
        } finally {
          this.#listeners.delete(database);
        }
      },
    };
  }

  /** Ends the thread. Databases still open there are cut off as by a crash: close them first. */
  async terminate(): Promise<void> {
    this.#listeners.clear();
    await this.#worker.terminate();
  }

  #call<V extends keyof DatabaseEngine>(database: string, verb: V, values: EngineArguments<V>): Promise<EngineResult<V>> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    const id = this.#nextId++;
    return new Promise<EngineResult<V>>((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#send({ kind: 'call', id, database, verb, arguments: values });
    });
  }

  #send(message: ToEngine): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromEngine): void {
    switch (message.kind) {
      case 'event':
        this.#listeners.get(message.database)?.onEvent(message.event);
        return;
      case 'log':
        this.#log.log(message.level, message.message, message.fields);
        return;
      case 'answer':
        this.#take(message.id)?.resolve(message.result);
        return;
      case 'failure':
        this.#take(message.id)?.reject(errorFromData(message.error));
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #fail(cause: unknown): void {
    if (this.#stopped !== undefined) return;
    const error = new LitestreamError('ENGINE_STOPPED', 'the engine thread ended unexpectedly', {
      ...(cause === undefined ? {} : { cause }),
      hint: 'Its databases are opened again by themselves; if this repeats, report it with the log lines before it.',
    });
    this.#stopped = error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    for (const { onStopped } of [...this.#listeners.values()]) onStopped(error);
  }
}
