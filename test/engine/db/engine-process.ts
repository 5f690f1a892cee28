/** An engine in a process of its own, to be killed. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type ErrorData, errorFromData } from '../../../src/base/errors.ts';
import type { DatabaseEngine } from '../../../src/engine/database-engine.ts';
import type { EngineEvent } from '../../../src/engine/events.ts';
import type { DatabaseSettings } from '../../../src/engine/options.ts';
import type { Bench } from './bench.ts';

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: ErrorData;
  readonly event?: EngineEvent;
}

export class EngineProcess {
  readonly events: EngineEvent[] = [];
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>();
  #nextId = 1;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', ({ id, result, error, event }: Message) => {
      if (event !== undefined) this.events.push(event);
      const pending = this.#pending.get(id ?? 0);
      if (error === undefined) pending?.resolve(result);
      else pending?.reject(errorFromData(error));
    });
    child.on('exit', () => {
      for (const { reject } of this.#pending.values()) reject(new Error('the engine process has ended'));
    });
  }

  /** `running` collects what has to be killed at the end of a test. */
  static async start(bench: Bench, running: EngineProcess[], settings: Partial<DatabaseSettings> = {}): Promise<EngineProcess> {
    const path = fileURLToPath(new URL('./engine-child.ts', import.meta.url));
    const engine = new EngineProcess(fork(path, [], { serialization: 'advanced', execArgv: [] }));
    running.push(engine);
    await once(engine.#child, 'message');
    engine.#child.send({ open: bench.settings(settings) });
    return engine;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  call<V extends keyof DatabaseEngine>(verb: V, ...values: Parameters<DatabaseEngine[V]>): ReturnType<DatabaseEngine[V]> {
    const id = this.#nextId++;
    const answer = new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#child.send({ id, verb, values });
    });
    return answer as ReturnType<DatabaseEngine[V]>;
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
