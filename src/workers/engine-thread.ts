/** One engine thread seen from the main loop: hands out `DatabaseEngine`s whose work happens over there (decision 5). */

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

export interface EngineListener {
  readonly onEvent: (event: EngineEvent) => void;
  /** The engine could not be made, or its thread died; everything under way has already been rejected. */
  readonly onStopped: (error: LitestreamError) => void;
}

const ENTRY = new URL(`./engine-entry${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

export class EngineThread {
  readonly #worker: Worker;
  readonly #log: Logger;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<string, EngineListener>();
  #nextId = 1;
  #stopped: LitestreamError | undefined;

  /** @param entry module that the thread runs. */
  constructor(log: Logger, entry: URL = ENTRY) {
    this.#log = log;
    this.#worker = new Worker(entry, { name: 'engine' });
    this.#worker.on('message', (message: FromEngine) => this.#receive(message));
    this.#worker.on('error', (error) => this.#fail(error));
    // Only now are the thread's locks and descriptors gone, and the databases free to be opened again.
    this.#worker.on('exit', () => this.#exit());
  }

  /** False once the thread is gone; a new one has to be made. */
  get alive(): boolean {
    return this.#stopped === undefined;
  }

  get databases(): number {
    return this.#listeners.size;
  }

  /** Opens `settings.name` over there. Opening problems arrive as events and with `status`. */
  open(settings: DatabaseSettings, facts: OpenFacts, listener: EngineListener): DatabaseEngine {
    const database = settings.name;
    if (this.#stopped !== undefined) throw this.#stopped;
    this.#listeners.set(database, listener);
    this.#send({ kind: 'open', database, settings, facts });
    let closing: Promise<void> | undefined;
    const forget = (): void => {
      if (this.#listeners.get(database) === listener) this.#listeners.delete(database);
    };
    const call = <V extends keyof DatabaseEngine>(verb: V, ...values: EngineArguments<V>) => this.#call(database, verb, values);
    return {
      sync: () => call('sync'),
      checkpoint: (mode) => call('checkpoint', mode),
      snapshot: (directory) => call('snapshot', directory),
      pageSums: (directory) => call('pageSums', directory),
      raise: (floor) => call('raise', floor),
      reset: (floor) => call('reset', floor),
      status: () => call('status'),
      closeIfIdle: async (sharedLock) => {
        const place = await call('closeIfIdle', sharedLock);
        if (place !== undefined) forget();
        return place;
      },
      close: () => {
        closing ??= call('close').finally(forget);
        return closing;
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
        return;
      case 'refused': {
        const listener = this.#listeners.get(message.database);
        this.#listeners.delete(message.database);
        listener?.onStopped(errorFromData(message.error));
      }
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
  }

  #exit(): void {
    this.#fail(undefined);
    const listeners = [...this.#listeners.values()];
    this.#listeners.clear();
    for (const { onStopped } of listeners) if (this.#stopped !== undefined) onStopped(this.#stopped);
  }
}
