/** The engine of one live database in this thread: opens it when it can, watches it, captures it, and lets everything go at the end. */

import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import { hasCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import { type ColdPlace, fingerprintOf, isStill } from '../cold/fingerprint.ts';
import type { DatabaseEngine, EngineStatus, PageSums, ResetResult, StagedFile, SyncResult } from '../database-engine.ts';
import type { EngineEvent } from '../events.ts';
import type { DatabaseSettings } from '../options.ts';
import type { PassResult } from './capture.ts';
import { FailureLog } from './failure-log.ts';
import type { FrozenView } from './frozen-view.ts';
import { LocalLog } from './local-log.ts';
import { measure, sizesOf, walBytes } from './measure.ts';
import { type Look, Monitor, type Monitored } from './monitor.ts';
import { NotYet } from './not-yet.ts';
import { writePageSums } from './page-sums.ts';
import { nodePublishFS, type PublishFS } from './publish-fs.ts';
import { Report } from './report.ts';
import type { Session } from './session.ts';
import { SessionHolder, stoppedError } from './session-holder.ts';
import { writeSnapshot } from './snapshot.ts';
import type { WALView } from './wal-file.ts';

export interface DatabaseEngineDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly onEvent: (event: EngineEvent) => void;
  /** Largest TXID over all replicas; undefined while unknown: then nothing is written before `raise`, unless there is a local log to continue. */
  readonly floor: TXID | undefined;
  /** Recorded beside the owner lock. */
  readonly socketPath?: string;
  /** Names the shared locks of this process (sqlite/shared-lock.ts). */
  readonly sharedId?: string | undefined;
  /** Default: the real one. */
  readonly fs?: PublishFS;
}

/** From this many full-disk failures in a row on, leftovers of interrupted writes are removed. */
const DISK_FULL_SWEEP = 3;

/** When the WAL file has grown by so much since the last look, the next one does not keep its distance: it would grow on without a checkpoint, bytes. */
const PRESSING_WAL_BYTES = 16 * 1024 * 1024;

/** Starts at once and returns at once; what comes of it is told by events and status. */
export function openDatabaseEngine(settings: DatabaseSettings, deps: DatabaseEngineDeps): DatabaseEngine {
  const engine = new LiveEngine(settings, deps);
  engine.start();
  return engine;
}

class LiveEngine implements DatabaseEngine, Monitored {
  readonly #settings: DatabaseSettings;
  readonly #clock: Clock;
  readonly #fs: PublishFS;
  readonly #localLog: LocalLog;
  readonly #holder: SessionHolder;
  readonly #report: Report;
  readonly #monitor: Monitor;
  readonly #failureLog: FailureLog;
  /** The file under way holds our own small commit only: the next commit of the application need not keep its distance from it. */
  #capturingBump = false;
  /** Size of the WAL file when it was last looked at. */
  #walAtLook = 0;
  #closing: Promise<void> | undefined;

  constructor(settings: DatabaseSettings, deps: DatabaseEngineDeps) {
    const { clock, log, floor, socketPath, sharedId, fs = nodePublishFS } = deps;
    this.#settings = settings;
    this.#clock = clock;
    this.#fs = fs;
    this.#localLog = new LocalLog(settings.metaPath, fs);
    this.#failureLog = new FailureLog(clock, log);
    this.#report = new Report(clock, deps.onEvent);
    this.#monitor = new Monitor(settings, clock, this);
    const onEvent = (event: EngineEvent) => {
      if (event.type === 'synced' && !this.#capturingBump) this.#monitor.published();
      deps.onEvent(event);
    };
    this.#holder = new SessionHolder(
      settings,
      { clock, socketPath, sharedId },
      { clock, log, fs, localLog: this.#localLog, onEvent },
      floor,
    );
  }

  start(): void {
    this.#monitor.start();
  }

  async sync(): Promise<SyncResult> {
    const position = async (session: Session): Promise<TXID> => session.capture.cursor?.txid ?? NO_TXID;
    const before = await this.#holder.run(position);
    await this.#captureAll();
    return { before, after: await this.#holder.run(position) };
  }

  async checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): Promise<{ readonly complete: boolean; readonly writeLockMs: number }> {
    const { complete, writeLockMs } = await this.#holder.run((session) => this.#checkpoint(session, mode));
    return { complete, writeLockMs };
  }

  snapshot(directory: string): Promise<StagedFile> {
    const { pageForm } = this.#settings;
    return this.#withView(({ db, copySignal }, view) =>
      writeSnapshot({ view, directory, fs: this.#fs, clock: this.#clock, attributes: db.fileAttributes, pageForm, signal: copySignal }),
    );
  }

  pageSums(directory: string): Promise<PageSums> {
    const { name } = this.#settings;
    return this.#withView(({ db, copySignal }, view) =>
      writePageSums({ view, directory, name, fs: this.#fs, attributes: db.fileAttributes, signal: copySignal }),
    );
  }

  async raise(floor: TXID): Promise<void> {
    this.#holder.raise(floor);
    this.#monitor.retry();
  }

  async reset(floor: TXID): Promise<ResetResult> {
    this.#holder.raise(floor);
    const { keptIn, files, bytes } = await this.#holder.reset();
    this.#monitor.retry();
    return { ...(keptIn === undefined ? {} : { keptIn }), files, bytes };
  }

  async status(): Promise<EngineStatus> {
    const measured = measure(this.#holder.current);
    const { pendingSince, ...summary } = this.#report.summary;
    const pending = measured.pendingWALBytes === 0 || pendingSince === undefined ? {} : { pendingSince };
    return { ...summary, ...measured, ...pending };
  }

  async closeIfIdle(sharedLock: string): Promise<ColdPlace | undefined> {
    const place = await this.#placeIfIdle(sharedLock);
    if (place === undefined || this.#closing !== undefined) return undefined;
    this.#closing = this.#close('cold');
    await this.#closing;
    return place;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close('stopped');
    return this.#closing;
  }

  /** The fingerprint comes before the look that finds nothing, and so before all that is done until everything is closed. */
  async #placeIfIdle(sharedLock: string): Promise<ColdPlace | undefined> {
    const { path } = this.#settings;
    const walPath = `${this.#holder.current?.db.path ?? path}-wal`;
    const place = { path, walPath, fingerprint: fingerprintOf(path, walPath) };
    const still = isStill(path, walPath, this.#clock.now());
    if (this.#report.summary.state === 'waiting' && still === undefined) return place;
    if (still !== true || this.#holder.current === undefined) return undefined;
    return this.#holder.run(async (session) => {
      if (!session.glance(0).idle || `${session.db.path}-wal` !== walPath) return undefined;
      session.db.owner.cover(sharedLock);
      return place;
    });
  }

  onChange(): void {
    this.#report.noticed();
  }

  async look(): Promise<Look> {
    const start = this.#clock.monotonic();
    const { idle, resting, view } = await this.#holder.run(async (session) => session.glance(this.#settings.pollIntervalMs));
    let look: Look = { found: false, inFlight: view.inFlight };
    if (idle) this.#report.caughtUp();
    else {
      look = await this.#capture(resting);
      await this.#checkpointIfDue();
    }
    this.#report.state('replicating');
    this.#report.pass(this.#clock.monotonic() - start, sizesOf(this.#holder.current));
    this.#failureLog.succeeded();
    this.#walAtLook = walBytes(this.#holder.current);
    return look;
  }

  isPressing(): boolean {
    return walBytes(this.#holder.current) - this.#walAtLook >= PRESSING_WAL_BYTES;
  }

  onFailure(error: unknown, nextTryMs: number): 'failing' | 'waiting' | 'halted' {
    if (error instanceof NotYet) {
      this.#report.state(error.state);
      return 'waiting';
    }
    if (hasCode(error, 'ENGINE_STOPPED')) return 'halted';
    this.#failureLog.failed(error, nextTryMs);
    this.#report.pass(0, sizesOf(this.#holder.current), error);
    if (hasCode(error, 'SECOND_WRITER') || hasCode(error, 'SQLITE_TOO_OLD')) {
      this.#report.state('stopped', error);
      void this.#holder.close(error, async () => {}).catch(() => {}); // the state says why already
      return 'halted';
    }
    this.#report.state('failing', error);
    if (hasCode(error, 'DISK_FULL') && this.#failureLog.failures >= DISK_FULL_SWEEP) this.#sweep();
    return 'failing';
  }

  async #capture(onlyBump: boolean): Promise<Look> {
    this.#capturingBump = onlyBump;
    try {
      return await this.#captureAll();
    } finally {
      this.#capturingBump = false;
    }
  }

  /** Captures what was committed when it was called; step by step, so that checkpoints, snapshots and other callers get their turn in between. */
  async #captureAll(): Promise<Look> {
    let found = false;
    let target: WALView | undefined;
    for (;;) {
      const { published, limited, view, reached } = await this.#holder.run(async (session) => {
        const result = await this.#step(session);
        target ??= result.view;
        return { ...result, reached: session.capture.hasReached(target) };
      });
      found ||= published;
      if (!limited) this.#report.caughtUp();
      if (!limited || reached) return { found, inFlight: view.inFlight || limited };
      await setImmediate();
    }
  }

  /** Catching up must not put the emergency checkpoint off. */
  async #step(session: Session): Promise<PassResult> {
    const result = await session.pass();
    if (result.limited && session.dueCheckpoint() === 'TRUNCATE') await this.#checkpoint(session, 'TRUNCATE');
    return result;
  }

  #checkpointIfDue(): Promise<void> {
    return this.#holder.run(async (session) => {
      const mode = session.dueCheckpoint();
      if (mode !== undefined) await this.#checkpoint(session, mode);
    });
  }

  async #checkpoint(session: Session, mode: 'PASSIVE' | 'TRUNCATE'): Promise<{ readonly complete: boolean; readonly writeLockMs: number }> {
    const start = this.#clock.monotonic();
    try {
      const result = await session.checkpoint(mode);
      if (result === undefined) return { complete: false, writeLockMs: 0 };
      this.#report.checkpoint(mode, this.#clock.monotonic() - start, result);
      return result;
    } catch (error) {
      this.#report.checkpoint(mode, this.#clock.monotonic() - start, undefined, error);
      throw error;
    } finally {
      // Our own small commit has to be captured, too.
      this.#monitor.ring();
    }
  }

  async #withView<T>(work: (session: Session, view: FrozenView) => Promise<T>): Promise<T> {
    const [session, view] = await this.#holder.run(async (session) => [session, await session.freeze()] as const);
    try {
      return await work(session, view);
    } finally {
      view.release();
    }
  }

  async #close(as: 'stopped' | 'cold'): Promise<void> {
    await this.#monitor.stop();
    let end: 'stopped' | 'cold' = 'stopped';
    try {
      await this.#holder.close(stoppedError(this.#settings.path), (session) => session.capture.passAll());
      end = as;
    } finally {
      if (this.#report.summary.state !== 'stopped') this.#report.state(end);
    }
  }

  #sweep(): void {
    try {
      this.#localLog.sweepTemporary();
    } catch (error) {
      this.#failureLog.failed(error, 0);
    }
  }
}
