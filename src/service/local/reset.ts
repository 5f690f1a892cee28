/** Begins the local state of a running database anew, behind everything its replicas hold; asked for, or by itself when local files are damaged (docs/engine.md, Reset). */

import { join } from 'node:path';
import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { type ErrorCode, type ErrorData, errorToData, LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { Semaphore } from '../../base/semaphore.ts';
import type { DatabaseEngine } from '../../engine/database-engine.ts';
import type { DatabaseSettings, ReplicaSettings } from '../../engine/options.ts';
import { formatTXID, parseTXID, type TXID } from '../../formats/ltx/txid.ts';
import type { Floors } from '../floors.ts';
import type { ResetOutcome } from '../service.ts';

/** What a reset asks of a replica. */
export interface ResettableReplica {
  readonly settings: ReplicaSettings;
  /** Largest TXID there; undefined when it did not answer within `limitMs`. */
  findPosition(signal: AbortSignal, limitMs: number): Promise<TXID | undefined>;
  /** The local state was reset: looks anew, whatever was found before. */
  startOver(): Promise<void>;
}

export interface ResetsOptions {
  readonly settings: DatabaseSettings;
  readonly replicas: () => readonly ResettableReplica[];
  /** Those that have to answer before anything is touched. */
  readonly decisive: () => readonly ResettableReplica[];
  readonly floors: Floors;
  readonly clock: Clock;
  readonly log: Logger;
  /** Runs work with the open engine. */
  readonly use: <T>(work: (engine: DatabaseEngine) => Promise<T>) => Promise<T>;
  /** Aborted when the database is being stopped. */
  readonly signal: AbortSignal;
}

/** How long a replica may take to say what it holds, ms. */
const ANSWER_LIMIT = 10_000;
/** Between two recoveries that nobody asked for, ms. */
const RECOVERY_PAUSE = { initialMs: 60_000, capMs: 3_600_000 } as const;

/** Errors that say that a local file is not what it was when it was written. */
const DAMAGE: ReadonlySet<ErrorCode> = new Set(['LTX_MISSING', 'LTX_INVALID', 'LTX_TRUNCATED', 'LTX_CHECKSUM_MISMATCH']);

export class Resets {
  readonly #options: ResetsOptions;
  readonly #one = new Semaphore(1);
  readonly #pause = new Backoff(RECOVERY_PAUSE);
  /** Monotonic ms. */
  #notBefore = 0;
  #isRecovering = false;
  /** Files up to here are gone on purpose. */
  #floor: TXID | undefined;

  constructor(options: ResetsOptions) {
    this.#options = options;
  }

  /** All or nothing: rejects before anything is touched when a replica does not say what it holds, or the engine cannot be reached. */
  run(reason: string): Promise<ResetOutcome> {
    return this.#one.run(() => this.#run(reason), this.#options.signal);
  }

  /** Resolves when no reset is under way. */
  async settled(): Promise<void> {
    await this.#one.run(async () => {});
  }

  /** A failed upload; with `autoRecover` in the settings, damage of a local file is answered with a reset, once for each cause. */
  consider(error: ErrorData): void {
    const { settings, clock, log, signal } = this.#options;
    if (settings.autoRecover !== true || signal.aborted || !this.#isDamage(error)) return;
    if (this.#isRecovering || clock.monotonic() < this.#notBefore) return;
    this.#isRecovering = true;
    this.#notBefore = clock.monotonic() + this.#pause.next();
    log.log('error', 'local files are damaged or missing: the local state is begun anew (auto-recover)', { error });
    this.run('auto-recover')
      .catch((thrown: unknown) => {
        if (!signal.aborted) log.log('error', 'beginning the local state anew failed', { error: errorToData(thrown) });
      })
      .finally(() => {
        this.#isRecovering = false;
      });
  }

  async #run(reason: string): Promise<ResetOutcome> {
    const { replicas, floors, log, use } = this.#options;
    await this.#ask();
    const moved = await use((engine) => engine.reset(floors.highest));
    const floor = floors.highest;
    this.#floor = floor;
    await Promise.all(replicas().map((replica) => replica.startOver()));
    log.log('warn', 'the local state was begun anew: the next file is a full one', {
      reason,
      floor: formatTXID(floor),
      files: moved.files,
      bytes: moved.bytes,
      kept_in: moved.keptIn ?? null,
    });
    return { ...moved, floor };
  }

  /** What every replica holds now, so that no TXID is used twice. */
  async #ask(): Promise<void> {
    const { settings, replicas, decisive, floors, signal } = this.#options;
    const answers = await Promise.all(
      replicas().map(async (replica) => ({ replica, position: await replica.findPosition(signal, ANSWER_LIMIT) })),
    );
    signal.throwIfAborted();
    for (const { position } of answers) if (position !== undefined) floors.note(position);
    const silent = answers.find(({ replica, position }) => position === undefined && decisive().includes(replica));
    if (silent === undefined) return;
    const { name } = silent.replica.settings;
    throw new LitestreamError(
      'STORAGE_UNAVAILABLE',
      `resetting ${settings.name}: replica ${name} does not say what it holds; nothing was touched`,
      {
        details: { replica: name },
        hint: 'Try again when the destination answers: without its answer a transaction number might be used twice.',
      },
    );
  }

  #isDamage({ code, details }: ErrorData): boolean {
    const path = details?.path;
    if (!DAMAGE.has(code) || typeof path !== 'string' || !path.startsWith(join(this.#options.settings.metaPath, 'ltx'))) return false;
    const txid = details?.txid;
    // What an earlier reset took away is bridged by a snapshot, not by another reset.
    return code !== 'LTX_MISSING' || this.#floor === undefined || typeof txid !== 'string' || parseTXID(txid) > this.#floor;
  }
}
