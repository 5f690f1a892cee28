/** A mirror: a plain copy of the database at a path of its own, kept up to date from one replica by following it. */

import { statSync } from 'node:fs';
import { Backoff } from '../../base/backoff.ts';
import { type ErrorData, errorToData } from '../../base/errors.ts';
import type { FollowNote } from '../../engine/follow/request.ts';
import { ProblemLog, SLOW_CADENCE_MS } from '../../engine/upload/failures.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import type { CompanionFacts } from '../service.ts';
import type { Companion, CompanionContext, MakeCompanion } from './companion.ts';

/** How often the replica is looked at, ms: never more often than it is written to. */
const INTERVAL_MS = 1000;
/** A replica that holds nothing yet, because it is new or has just moved, is no trouble for so long, ms. */
const PATIENCE_MS = 60_000;

/** What following says of it. */
const WITHOUT_FILES: ReadonlySet<string> = new Set(['NO_SNAPSHOT', 'POSITION_MISMATCH', 'CONTAINER_NOT_FOUND']);

/** For replicas with `mirror` in their settings. */
export const makeMirror: MakeCompanion = (context) => {
  const { mirror } = context.replica.settings;
  return mirror === undefined ? undefined : new Mirror(context, mirror);
};

class Mirror implements Companion {
  readonly #context: CompanionContext;
  readonly #path: string;
  readonly #problems: ProblemLog;
  readonly #stopping = new AbortController();
  readonly #backoff = new Backoff({ initialMs: INTERVAL_MS, capMs: SLOW_CADENCE_MS });
  #running: Promise<void> = Promise.resolve();
  #at: { readonly txid: TXID; readonly at: number } | undefined;
  #trouble: { readonly error: ErrorData; readonly since: number } | undefined;
  #startedAt = 0;

  constructor(context: CompanionContext, path: string) {
    this.#context = context;
    this.#path = path;
    this.#problems = new ProblemLog(context.clock, context.log, {
      level: 'error',
      failing: 'the mirror is not kept up to date',
      over: 'the mirror is up to date again',
    });
  }

  start(): void {
    this.#startedAt = this.#context.clock.now();
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the mirror is stopped'));
    await this.#running;
  }

  facts(): CompanionFacts {
    const troubles = this.#trouble === undefined ? [] : [{ of: 'mirror', ...this.#trouble }];
    return { mirror: { path: this.#path, ...this.#at }, ...(troubles.length === 0 ? {} : { troubles }) };
  }

  async #run(): Promise<void> {
    const { clock } = this.#context;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(errorToData(error));
      }
      await clock.sleep(this.#backoff.next(), { signal, unref: true }).catch(() => {});
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { replica, runJob } = this.#context;
    const { store, syncIntervalMs } = replica.settings;
    const mode = this.#mode();
    const request = {
      store,
      output: this.#path,
      intervalMs: Math.max(INTERVAL_MS, syncIntervalMs),
      integrity: 'none' as const,
      ...(mode === undefined ? {} : { mode }),
    };
    await runJob('follow', request, { signal, onNote: (note) => this.#note(note) });
  }

  /** Who may read the database may read its mirror. */
  #mode(): number | undefined {
    const found = statSync(this.#context.database.settings.path, { throwIfNoEntry: false });
    return found === undefined ? undefined : found.mode & 0o777;
  }

  #note(note: FollowNote): void {
    const { log, clock } = this.#context;
    if (note.type === 'failing') {
      this.#failed(note.error);
      return;
    }
    if (note.type === 'busy') {
      log.log('info', 'the mirror waits for programs that read it', { path: this.#path });
      return;
    }
    this.#trouble = undefined;
    this.#problems.succeeded();
    this.#backoff.reset();
    this.#at = { txid: note.txid, at: clock.now() };
    if (note.type === 'restored') log.log('info', 'the mirror was made', { path: this.#path, txid: formatTXID(note.txid) });
    if (note.type === 'rebased')
      log.log('info', 'the mirror was brought to a new base', { path: this.#path, txid: formatTXID(note.txid), reason: note.reason });
  }

  #failed(error: ErrorData): void {
    const now = this.#context.clock.now();
    if (WITHOUT_FILES.has(error.code) && now - this.#startedAt < PATIENCE_MS) return;
    this.#trouble = { error, since: this.#trouble?.since ?? now };
    this.#problems.failed(error.code, { error, path: this.#path });
  }
}
