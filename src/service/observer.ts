/** Says in the log when a database stops being protected as it should be, and when it is again, without being told by what it observes. */

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { isUnhealthy } from './health.ts';
import type { DatabaseHandle } from './service.ts';

/** ms. */
const INTERVAL = 5000;
/** Of the looks at a cold database only one in so many takes place, as long as it is well: nothing is captured meanwhile, and there may be thousands. */
const COLD_ROUNDS = 24;
/** A state that lasts is told again this often, ms. */
const REMINDER = 600_000;
/** The same line is told at most this often, ms; what then still holds is told late. */
const QUIET = 30_000;

/** The word for what needs no line by itself. */
const WELL = '';

interface Told {
  /** What was told last. */
  readonly word: string;
  /** When each word was told last, monotonic ms. */
  readonly at: Map<string, number>;
}

export class Observer {
  readonly #service: { readonly databases: readonly DatabaseHandle[] };
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #told = new WeakMap<DatabaseHandle, Told>();
  readonly #looking = new Set<DatabaseHandle>();
  #round = 0;
  readonly #stopping = new AbortController();

  /** @param service whatever databases it has at the time are looked at. */
  constructor(service: { readonly databases: readonly DatabaseHandle[] }, clock: Clock, log: Logger) {
    this.#service = service;
    this.#clock = clock;
    this.#log = log;
  }

  start(): void {
    this.#run().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#log.log('error', 'databases are not observed any more', { error: String(error) });
    });
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(INTERVAL, { signal: this.#stopping.signal, unref: true });
      this.#round += 1;
      for (const [index, database] of this.#service.databases.entries()) {
        // Cold ones take turns, so that no round is longer than the others.
        if (!this.#isAtRest(database) || (this.#round + index) % COLD_ROUNDS === 0) this.#begin(database);
      }
    }
  }

  #isAtRest(database: DatabaseHandle): boolean {
    return database.isCold === true && (this.#told.get(database)?.word ?? WELL) === WELL;
  }

  /** One that does not answer must not hide the others. */
  #begin(database: DatabaseHandle): void {
    if (this.#looking.has(database)) return;
    this.#looking.add(database);
    this.#look(database)
      .catch((error: unknown) =>
        this.#log.log('error', 'a database could not be observed', { database: database.settings.name, error: String(error) }),
      )
      .finally(() => this.#looking.delete(database));
  }

  async #look(database: DatabaseHandle): Promise<void> {
    for (const replica of database.replicas) replica.look?.();
    const { state, error, unprotectedSeconds } = await database.status();
    if (this.#stopping.signal.aborted) return;
    const word = isUnhealthy(state) ? `${state} ${error?.code ?? ''}` : WELL;
    if (!this.#isDue(database, word)) return;
    const fields = { database: database.settings.name, state };
    if (word === WELL) return this.#log.log('info', 'the database is protected again', fields);
    const reason = error === undefined ? {} : { code: error.code, error: error.message };
    this.#log.log('error', 'the database is not protected as it should be', {
      ...fields,
      ...reason,
      unprotected_seconds: Math.round(unprotectedSeconds),
    });
  }

  /** True when `word` is news, or has lasted; it counts as told then. */
  #isDue(database: DatabaseHandle, word: string): boolean {
    const told = this.#told.get(database) ?? { word: WELL, at: new Map<string, number>() };
    if (word === WELL && told.word === WELL) return false;
    const now = this.#clock.monotonic();
    const age = now - (told.at.get(word) ?? Number.NEGATIVE_INFINITY);
    if (age < (told.word === word ? REMINDER : QUIET)) return false;
    told.at.set(word, now);
    this.#told.set(database, { word, at: told.at });
    return true;
  }
}
