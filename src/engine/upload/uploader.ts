/** Carries the local level-0 files of one database to one replica, round by round (docs/engine.md, Upload loop; decision 8). */

import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import { ERROR_CODES, LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import type { Replica } from '../../replica/replica.ts';
import type { ReplicaSettings } from '../options.ts';
import type { Waiting } from './backlog.ts';
import type { UploadEvent } from './events.ts';
import { type Failure, Failures } from './failures.ts';
import { FileSender } from './file-sender.ts';
import { type LocalFile, LocalLog } from './local-log.ts';
import { notReplicated } from './not-replicated.ts';
import { type ProgressFacts, UploadProgress } from './progress.ts';
import { Rounds } from './rounds.ts';
import { type PendingSnapshot, UploadMark } from './upload-mark.ts';
import { UploadQueue } from './upload-queue.ts';
import { type Alone, type ExpectAloneOptions, Whereabouts } from './whereabouts.ts';

export interface UploaderOptions {
  readonly settings: ReplicaSettings;
  readonly replica: Replica;
  /** Level-0 directory `ltx/0` below the metadata directory, absolute; it may not exist yet. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called synchronously; must not throw. */
  readonly onEvent?: (event: UploadEvent) => void;
}

export interface FlushOptions {
  readonly signal?: AbortSignal | undefined;
  /** Gives up after this many ms. 0: one attempt, however long it takes. Default: never. */
  readonly deadlineMs?: number;
  /** Distance between attempts after a failure, ms; default: the upload interval. */
  readonly retryIntervalMs?: number;
}

/** Facts for the replica's status (service.ts adds names and budget). */
export interface UploadStatus extends ProgressFacts {
  readonly state: 'starting' | 'replicating' | 'degraded' | 'failing' | 'stopped';
  /** The failure that stands. */
  readonly lastError?: Failure;
}

export class Uploader {
  readonly #settings: ReplicaSettings;
  readonly #local: LocalLog;
  readonly #clock: Clock;
  readonly #onEvent: (event: UploadEvent) => void;
  readonly #queue = new UploadQueue();
  readonly #failures: Failures;
  readonly #progress: UploadProgress;
  readonly #where: Whereabouts;
  readonly #sender: FileSender;
  readonly #rounds: Rounds;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Monotonic ms; Infinity when nothing is tried any more. */
  #nextRoundAt = 0;
  /** Somebody wants another round after the one that runs. */
  #retryAsked = false;

  constructor({ settings, replica, directory, clock, log, onEvent = () => {} }: UploaderOptions) {
    this.#settings = settings;
    this.#local = new LocalLog(directory);
    this.#clock = clock;
    this.#rounds = new Rounds(clock);
    this.#onEvent = onEvent;
    this.#failures = new Failures(clock, log, settings.syncIntervalMs);
    this.#progress = new UploadProgress(clock, this.#queue);
    const mark = new UploadMark(dirname(dirname(directory)), settings.name, replica.store.destination, log);
    const parts = { replica, local: this.#local, queue: this.#queue, progress: this.#progress, clock, log };
    this.#where = new Whereabouts({ ...parts, mark });
    this.#sender = new FileSender({ ...parts, where: this.#where, onEvent });
  }

  /** The position confirmed at the replica; undefined while unknown. */
  get position(): TXID | undefined {
    return this.#progress.confirmed;
  }

  /** See Whereabouts. */
  rememberedPosition(): Promise<TXID | undefined> {
    return this.#where.remembered();
  }

  /** The replica has said where it is before uploads began. */
  heard(position: TXID): void {
    this.#where.heard(position);
  }

  /** See Whereabouts. */
  expectAlone(upTo: TXID, options: ExpectAloneOptions = {}): Promise<Alone> {
    return this.#where.expectAlone(upTo, options);
  }

  /** A snapshot is about to be put there by somebody else. */
  expects(snapshot: PendingSnapshot): Promise<void> {
    return this.#where.expects(snapshot);
  }

  /** A file of our own history that ends at `txid` was put there by somebody else: a snapshot. */
  async holds(txid: TXID): Promise<void> {
    this.#where.proves(txid);
    await this.#where.remember({ force: true });
  }

  /** Local files up to `upTo` are gone before they were sent; the oldest change among them is of `since`, ms since the epoch. */
  cutOff(upTo: TXID, since: number): void {
    this.#progress.cutOff(upTo, since);
  }

  /** The local files that are not there yet. */
  get waiting(): Waiting {
    const { first, bytes } = this.#queue;
    return first === undefined ? { bytes } : { bytes: bytes - first.size, since: first.at };
  }

  /** True while the replica lacks changes whose local files are gone. */
  get isCutOff(): boolean {
    return this.#progress.isCutOff;
  }

  /** Forgets all that was known of the replica and of the local files, a second writer included, and looks anew: the local state was reset. */
  async startOver(): Promise<void> {
    this.#progress.forget();
    this.#queue.clear();
    await this.#where.forget();
    this.#failures.clear();
    this.#nextRoundAt = 0;
    this.retryNow();
  }

  /** Begins with a round at once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** A local file is durable; an engine's `synced` event can be handed over as it is. */
  notify(file: LocalFile): void {
    this.#queue.push(file);
    this.#where.captured(file.txid);
    this.#wake.resolve();
  }

  /**
   * Computes the position anew and tries again at once, for whoever has removed the cause of a failure: a snapshot was written, a disk mounted.
   * `othersWrote`: files of another writer there are in order.
   */
  retryNow({ othersWrote = false }: { readonly othersWrote?: boolean } = {}): void {
    if (othersWrote) this.#where.othersWrote();
    this.#sender.forget();
    this.#retryAsked = true;
    this.#expedite(0);
  }

  /**
   * Resolves when every file that is durable now is at the replica. Rounds do not wait for their interval meanwhile. NOT_REPLICATED with
   * the last failure as its cause when the deadline passes first, when the replica refuses what a person has to change first, or when nothing is
   * tried any more; `signal.reason` when aborted.
   */
  async flush({
    signal,
    deadlineMs = Number.POSITIVE_INFINITY,
    retryIntervalMs = this.#settings.syncIntervalMs,
  }: FlushOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.start();
    for (const file of await this.#local.list()) this.#queue.push(file);
    const target = this.#queue.newest;
    const deadline = this.#clock.monotonic() + deadlineMs;
    const begun = this.#rounds.count;
    while (!this.#has(target)) {
      const failed = this.#failures.last !== undefined && this.#rounds.count > begun;
      const expired = this.#clock.monotonic() >= deadline;
      if (this.#isHalted() || (failed && this.#isRefused()) || (expired && (failed || !this.#hasWork()))) throw this.#notReplicated(target);
      this.#expedite(failed ? retryIntervalMs : 0);
      const limit = deadlineMs === 0 ? Number.POSITIVE_INFINITY : deadline - this.#clock.monotonic();
      if (!(await this.#rounds.next(limit, signal))) throw this.#notReplicated(target);
    }
  }

  /**
   * Waits until the replica is at `txid`, for as long as uploads work and at most `limitMs`; rejects with `signal.reason` only. A snapshot of `txid` that
   * came first would be the position of the next process, which would leave out the files before it.
   */
  async goAhead(txid: TXID, limitMs: number, signal?: AbortSignal): Promise<void> {
    const deadline = this.#clock.monotonic() + limitMs;
    const isUnderWay = (): boolean => this.#running !== undefined && this.#failures.last === undefined && !this.#isHalted();
    while ((this.position ?? NO_TXID) < txid && isUnderWay()) {
      this.#expedite(0);
      if (!(await this.#rounds.next(deadline - this.#clock.monotonic(), signal))) return;
    }
  }

  status(): UploadStatus {
    const lastError = this.#failures.last;
    return { state: this.#state(), ...this.#progress.facts(), ...(lastError === undefined ? {} : { lastError }) };
  }

  /** Stops, cancelling what is under way; nothing is flushed. The replica stays open. */
  async close(): Promise<void> {
    this.#closing.abort(new LitestreamError('SHUTTING_DOWN', `uploads to ${this.#settings.name} are being stopped`));
    this.#wake.resolve();
    this.#rounds.close();
    await this.#running;
    await this.#where.remember({ force: true });
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const wait = this.#nextRoundAt - this.#clock.monotonic();
      if (!this.#hasWork() || wait > 0) await this.#sleep(this.#hasWork() ? wait : Number.POSITIVE_INFINITY);
      else await this.#round();
    }
  }

  #hasWork(): boolean {
    return this.#sender.position === undefined || this.#queue.length > 0;
  }

  /** Sleeps until woken, or for `ms`. */
  async #sleep(ms: number): Promise<void> {
    if (ms === Number.POSITIVE_INFINITY) await this.#wake.promise;
    else {
      const timer = new AbortController();
      const slept = this.#clock.sleep(ms, { signal: timer.signal }).catch(() => {});
      await Promise.race([this.#wake.promise, slept]);
      timer.abort();
    }
    this.#wake = Promise.withResolvers();
  }

  async #round(): Promise<void> {
    const started = this.#clock.monotonic();
    this.#retryAsked = false;
    try {
      const limited = await this.#sender.send(this.#settings.maxSyncFiles, this.#closing.signal);
      this.#nextRoundAt = limited ? started : started + this.#settings.syncIntervalMs;
      const attempts = this.#failures.clear();
      if (attempts > 0) this.#onEvent({ type: 'recovered', attempts });
      await this.#where.remember();
      // A backlog must not keep everything else on this thread waiting.
      if (limited) await setImmediate();
    } catch (error) {
      this.#sender.forget();
      if (!this.#closing.signal.aborted) this.#failed(error);
    }
    if (this.#retryAsked) this.retryNow();
    this.#rounds.ended();
  }

  /** Repeating the same call is of no use. */
  #isRefused(): boolean {
    const last = this.#failures.last;
    const disposition = last === undefined ? 'retry' : ERROR_CODES[last.error.code].disposition;
    return disposition === 'refuse' || disposition === 'fatal';
  }

  #failed(thrown: unknown): void {
    this.#nextRoundAt = this.#clock.monotonic() + this.#failures.add(thrown);
    const failure = this.#failures.last;
    if (failure !== undefined) this.#onEvent({ type: 'failed', ...failure });
  }

  /** Brings the next round forward to `ms` from now. */
  #expedite(ms: number): void {
    if (this.#isHalted()) return;
    this.#nextRoundAt = Math.min(this.#nextRoundAt, this.#clock.monotonic() + ms);
    this.#wake.resolve();
  }

  /** Nothing is tried any more in this process. */
  #isHalted(): boolean {
    return this.#nextRoundAt === Number.POSITIVE_INFINITY || this.#closing.signal.aborted;
  }

  #has(target: TXID): boolean {
    const { position } = this.#sender;
    return position !== undefined && position >= target && this.#progress.ahead === undefined;
  }

  #notReplicated(target: TXID): LitestreamError {
    return notReplicated(this.#settings.name, target, {
      files: this.#queue.length,
      bytes: this.#queue.bytes,
      isAhead: this.#progress.ahead !== undefined,
      last: this.#failures.last?.error,
    });
  }

  #state(): UploadStatus['state'] {
    if (this.#closing.signal.aborted) return 'stopped';
    if (this.#failures.last !== undefined) return 'failing';
    if (this.#progress.confirmed === undefined) return 'starting';
    return this.#progress.ahead === undefined ? 'replicating' : 'degraded';
  }
}
