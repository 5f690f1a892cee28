/** What each destination turned out to be at the start of the daemon: looked at once, in the background (docs/destinations.md). */

import type { Clock } from '../../base/clock.ts';
import { type ErrorData, errorToData, LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Replica } from '../../replica/replica.ts';
import { type CreateOnly, probeBriefly } from '../../storage/check/conditions.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { containerKey } from '../../storage/place.ts';
import { standingFailure } from '../../storage/wrap/outage.ts';
import type { DatabaseEntry } from '../options.ts';
import type { DatabaseHandle } from '../service.ts';

export interface StartCheck {
  readonly outcome: 'passed' | 'failed';
  /** ms since the epoch. */
  readonly at: number;
  readonly createOnly?: CreateOnly;
  readonly error?: ErrorData;
}

/** How long after the start the first one is looked at, ms: uploads come first, and who leaves at once asks for nothing. */
const DELAY_MS = 5_000;
/** Destinations looked at at once. */
const AT_ONCE = 2;
/** How long a strict start waits for one destination, ms. */
const STRICT_MS = 30_000;

interface Subject {
  readonly replica: Replica;
  readonly log: Logger;
  /** As `DB REPLICA`. */
  readonly name: string;
  readonly isLocal: boolean;
  result: StartCheck | undefined;
}

export class StartChecks {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #subjects: readonly Subject[];
  readonly #byReplica = new Map<string, Subject>();

  /** Members of a directory share one look at their container. */
  constructor(databases: readonly DatabaseHandle[], entries: readonly DatabaseEntry[], { clock, log }: { clock: Clock; log: Logger }) {
    this.#clock = clock;
    this.#log = log;
    const byContainer = new Map<string, Subject>();
    const subjects: Subject[] = [];
    const members = new Set(entries.filter(({ memberOf }) => memberOf !== undefined).map(({ settings }) => settings.path));
    for (const database of databases) {
      const isMember = members.has(database.settings.path);
      for (const { settings, replica } of database.replicas) {
        const key = containerKey(settings.store);
        const known = isMember ? byContainer.get(key) : undefined;
        const subject = known ?? this.#subjectOf(database, settings.name, settings.store.type, replica);
        if (known === undefined) subjects.push(subject);
        if (isMember) byContainer.set(key, subject);
        this.#byReplica.set(keyOf(database.settings.path, settings.name), subject);
      }
    }
    this.#subjects = subjects;
  }

  #subjectOf(database: DatabaseHandle, name: string, type: string, replica: Replica): Subject {
    const log = this.#log.with({ db: database.settings.path, replica: name });
    return { replica, log, name: `${database.settings.name} on ${name}`, isLocal: type === 'file', result: undefined };
  }

  /** What was found about the destination of a replica; undefined while nothing is known. */
  of(db: string, replica: string): StartCheck | undefined {
    return this.#byReplica.get(keyOf(db, replica))?.result;
  }

  /** Looks at every destination that is not a directory here, once. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(DELAY_MS, { signal, unref: true });
    } catch {
      return;
    }
    await this.#each(
      this.#subjects.filter(({ isLocal, result }) => !isLocal && result === undefined),
      (subject) => this.#look(subject, signal),
    );
  }

  /** Rejects when a destination cannot be listed, with every one of them. */
  async requireAll(signal: AbortSignal): Promise<void> {
    const failures: { readonly name: string; readonly error: ErrorData }[] = [];
    await this.#each(this.#subjects, async ({ replica, name }) => {
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(STRICT_MS)]);
        for await (const _ of replica.store.list(replica.aux.key('start-probe'), { signal: limit })) break;
      } catch (error) {
        signal.throwIfAborted();
        failures.push({ name, error: errorToData(inTime(error, replica.store)) });
      }
    });
    const [first] = failures;
    if (first === undefined) return;
    const lines = failures.map(({ name, error }) => `${name}: ${error.code}: ${error.message}`);
    throw new LitestreamError(
      first.error.code,
      `${failures.length} of ${this.#subjects.length} destinations cannot be used:\n${lines.join('\n')}`,
      {
        hint: first.error.hint ?? 'litestream check says more. Without strict the others would be replicated.',
      },
    );
  }

  async #each(subjects: readonly Subject[], work: (subject: Subject) => Promise<void>): Promise<void> {
    const queue = [...subjects];
    const worker = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await work(next);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  async #look(subject: Subject, signal: AbortSignal): Promise<void> {
    const { replica, log } = subject;
    try {
      const createOnly = await probeBriefly(replica.store, replica.aux.key('start-probe'), { signal });
      subject.result = { outcome: 'passed', at: this.#clock.now(), createOnly };
      if (createOnly === 'ignored') {
        log.log('warn', 'the destination accepts create-only writes and ignores them: a second writer would overwrite files unnoticed', {
          destination: replica.store.destination,
        });
      } else log.log('info', 'the destination was looked at', { destination: replica.store.destination, create_only: createOnly });
    } catch (error) {
      if (signal.aborted) return;
      const data = errorToData(error);
      subject.result = { outcome: 'failed', at: this.#clock.now(), error: data };
      log.log('warn', 'the destination could not be looked at; "litestream check" says more', { code: data.code, error: data.message });
    }
  }
}

const keyOf = (db: string, replica: string): string => JSON.stringify([db, replica]);

/** Behind a silence there may be requests that fail and are repeated. */
const inTime = (error: unknown, store: ObjectStore): unknown =>
  error instanceof Error && error.name === 'TimeoutError'
    ? (standingFailure(store) ?? new LitestreamError('TIMEOUT', `no answer within ${STRICT_MS / 1000} s`, { cause: error }))
    : error;
