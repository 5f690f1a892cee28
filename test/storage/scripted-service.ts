/** The scripted service a test talks to: one at a time, closed after the test. */

import { afterEach } from 'vitest';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import type { Asked, Script, ScriptedHTTP } from '../support/scripted-http.ts';

export interface Scripted {
  readonly store: ObjectStore;
  readonly server: ScriptedHTTP;
  close(): Promise<void>;
}

export class ScriptedService<T extends Scripted = Scripted> {
  readonly #start: (script: Script) => Promise<T>;
  #running: T | undefined;

  constructor(start: (script: Script) => Promise<T>) {
    this.#start = start;
    afterEach(() => this.#close());
  }

  /** One that answers so, in the place of the one before it. */
  readonly answering = async (script: Script): Promise<T> => {
    await this.#close();
    this.#running = await this.#start(script);
    return this.#running;
  };

  /** The store of such a one. */
  readonly storeAnswered = async (script: Script): Promise<ObjectStore> => (await this.answering(script)).store;

  /** What the one that runs was asked. */
  get asked(): readonly Asked[] {
    return this.#running?.server.asked ?? [];
  }

  async #close(): Promise<void> {
    await this.#running?.close();
    this.#running = undefined;
  }
}
