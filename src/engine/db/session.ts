/** One opening of the live database with everything that works on it. */

import { Backoff } from '../../base/backoff.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import type { DatabaseSettings } from '../options.ts';
import { Capture, type CaptureDeps, type PassResult } from './capture.ts';
import { CheckpointLock } from './checkpoint-lock.ts';
import { chooseCheckpoint } from './checkpoint-policy.ts';
import { Checkpointer, type CheckpointResult } from './checkpointer.ts';
import { type FrozenView, freeze } from './frozen-view.ts';
import { LiveDatabase, type OpenDeps } from './live-database.ts';
import { OverwriteWatch } from './overwrite-watch.ts';
import type { WALView } from './wal-file.ts';

/** Pauses after checkpoints without effect, ms: a reader is in the way, and it may stay for long. */
const INEFFECTIVE_PAUSE = { initialMs: 1000, capMs: 30_000 } as const;
/** How often the lock file is compared with the path, ms. */
const OWNER_CHECK_MS = 5000;

/** What an opening is told by what came before it. */
export interface SessionStart {
  /** Largest TXID of all replicas, as far as it is known. */
  readonly floor: TXID | undefined;
  /** Why the first file has to be a full one whatever the WAL says. */
  readonly demanded: string | undefined;
  /** Called when the database is ours, before the local log is looked at. */
  readonly onOwned?: (() => void) | undefined;
}

export class Session {
  readonly db: LiveDatabase;
  readonly capture: Capture;
  readonly #settings: DatabaseSettings;
  readonly #deps: CaptureDeps;
  readonly #checkpointer: Checkpointer;
  readonly #lock = new CheckpointLock();
  readonly #copies = new AbortController();
  readonly #ineffective = new Backoff(INEFFECTIVE_PAUSE);
  #notBefore = 0;
  readonly #overwriteWatch: OverwriteWatch;
  #baseline: { readonly view: WALView; readonly at: number };
  #ownerCheckedAt: number;

  private constructor(db: LiveDatabase, capture: Capture, settings: DatabaseSettings, deps: CaptureDeps) {
    this.db = db;
    this.capture = capture;
    this.#settings = settings;
    this.#deps = deps;
    this.#checkpointer = new Checkpointer(db, capture, deps.clock, settings.busyTimeoutMs);
    this.#overwriteWatch = new OverwriteWatch(db);
    this.#ownerCheckedAt = deps.clock.monotonic();
    this.#baseline = { view: capture.observe(), at: this.#ownerCheckedAt };
  }

  /** Opens all or nothing; throws NotYet or a typed error. */
  static async open(settings: DatabaseSettings, openDeps: OpenDeps, deps: CaptureDeps, start: SessionStart): Promise<Session> {
    const db = LiveDatabase.open(settings, openDeps);
    try {
      start.onOwned?.();
      deps.localLog.sweepTemporary();
      const capture = new Capture(db, settings, deps, start.floor);
      if (start.demanded !== undefined) capture.demandFull(start.demanded);
      await capture.begin();
      return new Session(db, capture, settings, deps);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Why this opening cannot go on, because what was opened is not at its path any more; undefined when it is. */
  displaced(): string | undefined {
    if (this.db.file.isReplaced()) return 'the database file was replaced or removed';
    if (this.#overwriteWatch.isOverwritten()) return 'the database file was overwritten in place';
    const now = this.#deps.clock.monotonic();
    if (now - this.#ownerCheckedAt < OWNER_CHECK_MS) return undefined;
    this.#ownerCheckedAt = now;
    this.capture.refuseSecondWriter();
    return this.db.owner.isIntact() ? undefined : 'the metadata directory was replaced or removed';
  }

  pass(): Promise<PassResult> {
    return this.capture.pass();
  }

  /**
   * One cheap look, which is all that an idle database gets. `resting`: nothing is pending but our own small commit, which may wait for `bumpWaitMs`
   * to share a file with the next commit of the application.
   */
  glance(bumpWaitMs: number): { readonly idle: boolean; readonly resting: boolean; readonly view: WALView } {
    const view = this.capture.observe();
    const resting = this.capture.isOnlyBumpPending(view);
    const young = this.#deps.clock.monotonic() - this.#baseline.at < bumpWaitMs;
    const nothingNew = resting ? young : this.capture.isIdle(view);
    return { idle: nothingNew && this.dueCheckpoint(view) === undefined, resting, view };
  }

  /** What the policy asks for now. */
  dueCheckpoint(view: WALView = this.capture.observe()): 'PASSIVE' | 'TRUNCATE' | undefined {
    const { view: then, at } = this.#baseline;
    const now = this.#deps.clock.monotonic();
    const sameWAL = view.header?.salt1 === then.header?.salt1 && view.header?.salt2 === then.header?.salt2;
    return chooseCheckpoint(this.#settings, {
      frames: view.frames,
      framesThen: sameWAL ? then.frames : 0,
      elapsedMs: now - at,
      backOffMs: this.#notBefore - now,
    });
  }

  /** Runs inside the executor. Undefined when it was skipped, because pages are being copied. */
  async checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): Promise<CheckpointResult | undefined> {
    const unlock = this.#lock.tryExclusive();
    if (unlock === undefined) return undefined;
    try {
      const result = await this.#checkpointer.run(mode);
      if (result.effective) this.#ineffective.reset();
      const pause = result.effective || result.overrun ? 0 : this.#ineffective.next();
      this.#notBefore = this.#deps.clock.monotonic() + pause;
      return result;
    } finally {
      unlock();
      this.#overwriteWatch.refresh();
      this.#baseline = { view: this.capture.observe(), at: this.#deps.clock.monotonic() };
    }
  }

  /** Runs inside the executor; the caller releases the view. */
  freeze(): Promise<FrozenView> {
    return freeze(this.db, this.capture, this.#lock, this.#settings.busyTimeoutMs);
  }

  /** Aborted when the session ends. */
  get copySignal(): AbortSignal {
    return this.#copies.signal;
  }

  /** Ends copies, then releases everything; returns what failed. */
  async close(): Promise<unknown[]> {
    this.#copies.abort(new LitestreamError('SHUTTING_DOWN', `copying ${this.db.path}: the database is being closed`));
    await this.#lock.copiesDone();
    return this.db.close();
  }
}
