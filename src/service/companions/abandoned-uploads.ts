/** Ends what killed processes have left half uploaded at a replica, once a day (docs/engine.md, Abandoned uploads; decision 83). */

import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ErrorCode, errorToData } from '../../base/errors.ts';
import { endAbandonedUploads } from '../../replica/abandoned.ts';
import { limited } from '../limited.ts';
import type { CompanionContext, MakeCompanion } from './companion.ts';
import { Looking, ScheduledCompanion } from './scheduled.ts';

const INTERVAL_MS = 86_400_000;
/** Least distance between two looks, also of one process and the next: the day without what a task may come late, ms. */
const DISTANCE_MS = INTERVAL_MS - 3_600_000;
/** Longest time of a look, ms. */
const LIMIT_MS = 300_000;

/** To ask again before the day is over would be in vain. */
const IN_VAIN: ReadonlySet<ErrorCode> = new Set(['ACCESS_DENIED', 'NOT_SUPPORTED', 'RESPONSE_INVALID']);

/** Nothing where a store keeps no parts of uploads. */
export const endAbandoned: MakeCompanion = (context) =>
  context.replica.replica.store.endAbandoned === undefined
    ? undefined
    : new ScheduledCompanion(context.scheduler, new AbandonedUploads(context));

class AbandonedUploads extends Looking {
  readonly #context: CompanionContext;
  /** Of this process, ms since the epoch. */
  #lookedAt: number | undefined;

  constructor(context: CompanionContext) {
    super();
    this.#context = context;
  }

  get name(): string {
    const { database, replica } = this.#context;
    return `abandoned uploads of ${database.settings.name}/${replica.settings.name}`;
  }

  get intervalMs(): number {
    return INTERVAL_MS;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, replica } = this.#context;
    if (!(await this.#isTime())) return;
    const { destination } = replica.replica.store;
    try {
      const what = `looking for abandoned uploads at ${destination}`;
      const ended = await limited({ clock, ms: LIMIT_MS, what, signal }, (call) => endAbandonedUploads(replica.replica, { signal: call }));
      if (ended !== undefined && ended > 0)
        log.log('info', 'uploads that a killed process had left were ended', { destination, uploads: ended });
    } catch (thrown) {
      signal.throwIfAborted();
      const error = errorToData(thrown);
      // Who may not do this can replicate all the same; a life-cycle rule does it better.
      log.log('debug', 'abandoned uploads could not be looked for', { destination, code: error.code, error: error.message });
      if (!IN_VAIN.has(error.code)) return;
    }
    await this.#remember();
  }

  /** Nothing new can have been left where nothing was sent since. */
  async #isTime(): Promise<boolean> {
    const { clock, replica } = this.#context;
    const last = this.#lookedAt;
    if (last !== undefined && (replica.status().lastUploadAt ?? 0) < last) return false;
    const at = last ?? (await this.#remembered());
    // A clock that was set back must not keep it from ever looking.
    return at === undefined || Math.abs(clock.now() - at) >= DISTANCE_MS;
  }

  /** When it was last looked, by whichever process. */
  get #path(): string {
    const { database, replica } = this.#context;
    return join(database.settings.metaPath, `uploads-looked-at-${encodeURIComponent(replica.settings.name)}.json`);
  }

  async #remembered(): Promise<number | undefined> {
    try {
      const { destination, at } = JSON.parse(await readFile(this.#path, 'utf8'));
      const time = Date.parse(at);
      return destination === this.#context.replica.replica.store.destination && !Number.isNaN(time) ? time : undefined;
    } catch {
      return undefined; // the first time, or a file that a crash has cut: it costs a request
    }
  }

  async #remember(): Promise<void> {
    const { clock, log, replica } = this.#context;
    this.#lookedAt = clock.now();
    try {
      const text = JSON.stringify({ destination: replica.replica.store.destination, at: new Date(this.#lookedAt).toISOString() });
      await writeFile(`${this.#path}.tmp`, `${text}\n`, { mode: 0o600 });
      await rename(`${this.#path}.tmp`, this.#path);
    } catch (error) {
      log.log('debug', 'what was looked at could not be remembered', { path: this.#path, reason: String(error) });
    }
  }
}
