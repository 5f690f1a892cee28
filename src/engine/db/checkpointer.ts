/** Checkpoints in two phases (decision 23): most is backfilled while writers go on, the rest under a short write barrier. */

import type { Clock } from '../../base/clock.ts';
import { frameSize } from '../../formats/wal/frame.ts';
import { isBackfilled } from '../../sqlite/checkpoint.ts';
import type { Capture } from './capture.ts';
import type { LiveDatabase } from './live-database.ts';
import type { WALView } from './wal-file.ts';

export interface CheckpointResult {
  /** Every frame reached the database file and is in a level-0 file; with TRUNCATE, the WAL file is empty too. */
  readonly complete: boolean;
  /** The WAL begins anew: without that the attempt freed nothing. */
  readonly effective: boolean;
  /** Given up because writers were faster than we are: no reader is in the way. */
  readonly overrun: boolean;
  /** Longest time that one of our own transactions kept writers out, ms. */
  readonly writeLockMs: number;
}

/** Frames that may be left to capture and to backfill under the barrier; more are dealt with before it is raised. */
const SEAL_FRAMES = 64;
/** Pauses for the checkpoint of somebody else before the barrier, ms: it backfills up to our new mark, so what is left becomes less. */
const BUSY_PAUSES = [2, 4, 8, 16, 32];
/** The same under the barrier, where nobody can begin another one: naps of a millisecond. */
const BUSY_NAPS = 20;
const NAP = new Int32Array(new SharedArrayBuffer(4));
/** Rounds of that: each one takes less time than the one before, so fewer frames arrive meanwhile. */
const ROUNDS = 5;
/** Above this the barrier is lowered again without sealing: writers would wait for too long. Doubled after each attempt that was overrun, up to the most. */
const SEAL_LIMIT_FRAMES = 1000;
const MOST_SEAL_LIMIT_FRAMES = 8000;

export class Checkpointer {
  readonly #db: LiveDatabase;
  readonly #capture: Capture;
  readonly #clock: Clock;
  readonly #busyTimeoutMs: number;
  #writeLockMs = 0;
  #sealLimit = SEAL_LIMIT_FRAMES;
  #overrun = false;

  constructor(db: LiveDatabase, capture: Capture, clock: Clock, busyTimeoutMs: number) {
    this.#db = db;
    this.#capture = capture;
    this.#clock = clock;
    this.#busyTimeoutMs = busyTimeoutMs;
  }

  /** Runs inside the executor, with the checkpoint lock held exclusively. */
  async run(mode: 'PASSIVE' | 'TRUNCATE'): Promise<CheckpointResult> {
    this.#writeLockMs = 0;
    this.#overrun = false;
    if (this.#left().uncaptured > SEAL_FRAMES) await this.#capture.passAll();
    const before = this.#capture.observe();
    if (!(await this.#backfillAndSeal(mode))) return this.#result(false, false);
    const truncated = mode === 'TRUNCATE' && this.#truncate();
    const bump = this.#db.bump();
    this.#writeLockMs = Math.max(this.#writeLockMs, bump.heldMs);
    const after = this.#capture.observe();
    if (bump.done) this.#capture.bumped(after);
    return this.#result(mode === 'PASSIVE' || truncated, isRestarted(before, after));
  }

  /** False when readers, writers or too much new data were in the way. Nothing is lost then: the read transaction goes on holding the WAL. */
  async #backfillAndSeal(mode: 'PASSIVE' | 'TRUNCATE'): Promise<boolean> {
    await this.#prepare();
    const { barrier } = this.#db;
    if (!(await barrier.raise(this.#busyTimeoutMs))) return false;
    try {
      return await this.#sealUnderBarrier(mode);
    } finally {
      this.#writeLockMs = Math.max(this.#writeLockMs, barrier.lower());
    }
  }

  async #sealUnderBarrier(mode: 'PASSIVE' | 'TRUNCATE'): Promise<boolean> {
    const { uncaptured, unfilled } = this.#left();
    if (uncaptured === Number.POSITIVE_INFINITY) return false;
    if (mode === 'PASSIVE' && Math.max(uncaptured, unfilled) > this.#sealLimit) {
      // A writer that never rests would let the WAL grow without end: next time it waits a little longer instead.
      this.#sealLimit = Math.min(this.#sealLimit * 2, MOST_SEAL_LIMIT_FRAMES);
      this.#overrun = true;
      return false;
    }
    await this.#capture.passAll();
    // A reader in the way is not waited for: writers would wait with us, and the next attempt comes soon.
    if (!this.#backfillUnderBarrier()) return false;
    // All is in the database file and in level 0, and nobody can commit: a transaction that begins now needs nothing of the WAL.
    this.#db.readLock.renew();
    this.#capture.seal();
    this.#sealLimit = SEAL_LIMIT_FRAMES;
    return true;
  }

  /**
   * Moves our read mark to the end of the WAL, so that it is not in the way, and backfills as far as other readers allow.
   *
   * The new transaction may stand on read mark 0, where it does not prevent a restart, when somebody else has backfilled everything. Frames that are
   * left afterwards prove that a restart is impossible, whatever the mark; otherwise the older transaction has to stay.
   */
  #backfillUnderNewMark(): 'done' | 'partly' | 'busy' {
    if (isBackfilled(this.#db.walState())) return 'done';
    this.#db.readLock.renew(() => !isBackfilled(this.#db.walState()));
    return this.#db.backfill();
  }

  #backfillUnderBarrier(): boolean {
    for (let nap = 0; ; nap++) {
      const outcome = this.#backfillUnderNewMark();
      if (outcome !== 'busy' || nap === BUSY_NAPS) return outcome === 'done';
      Atomics.wait(NAP, 0, 0, 1);
    }
  }

  /** First phase, while writers go on: bounded, because they may be faster than we are. Captures only when there is much, since every capture is a file. */
  async #prepare(): Promise<void> {
    const pauses = [...BUSY_PAUSES];
    for (let round = 0; round < ROUNDS; round++) {
      while (this.#backfillUnderNewMark() === 'busy') {
        const pause = pauses.shift();
        if (pause === undefined) break;
        await this.#clock.sleep(pause);
      }
      const { uncaptured, unfilled } = this.#left();
      if (uncaptured > SEAL_FRAMES) await this.#capture.passAll();
      else if (unfilled <= SEAL_FRAMES) return;
    }
  }

  /** Frames that the second phase would have to deal with; Infinity to capture means the whole database. */
  #left(): { readonly uncaptured: number; readonly unfilled: number } {
    const view = this.#capture.observe();
    const pending = this.#capture.needsFull(view) ? Number.POSITIVE_INFINITY : this.#capture.pendingBytes(view);
    return {
      uncaptured: pending / frameSize(this.#db.pageSize),
      unfilled: view.frames - view.backfilled,
    };
  }

  /** In the sealed state our transaction on read mark 0 lets it succeed only if nobody has committed since: nothing can be lost. */
  #truncate(): boolean {
    if (!this.#capture.isSealed) return false;
    const start = this.#clock.monotonic();
    // Without waiting for readers: SQLite would keep writers out meanwhile.
    const done = this.#db.truncateWAL(0);
    this.#writeLockMs = Math.max(this.#writeLockMs, this.#clock.monotonic() - start);
    return done;
  }

  #result(complete: boolean, effective: boolean): CheckpointResult {
    return { complete, effective, overrun: this.#overrun, writeLockMs: this.#writeLockMs };
  }
}

/** A WAL without a header was truncated. */
function isRestarted(before: WALView, after: WALView): boolean {
  return after.header === undefined || before.header?.salt1 !== after.header.salt1 || before.header.salt2 !== after.header.salt2;
}
