/** Carries the local level-0 files of one database to one replica, in TXID order, one put each (docs/engine.md, Upload loop; decision 8). */

import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { orAbort } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';
import { ERROR_CODES, LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { formatTXID, NO_TXID, nextTXID, type TXID } from '../../formats/ltx/txid.ts';
import type { Replica } from '../../replica/replica.ts';
import type { ReplicaSettings } from '../options.ts';
import type { Waiting } from './backlog.ts';
import type { UploadEvent } from './events.ts';
import { type Failure, Failures } from './failures.ts';
import { type Continuity, compareAt, fellBack, isFullFile, otherHistory } from './history.ts';
import { type LocalFile, LocalLog, missingLocalFile } from './local-log.ts';
import { OwnWrites } from './own-writes.ts';
import { PageSizes } from './page-size.ts';
import { type ProgressFacts, UploadProgress } from './progress.ts';
import { UploadMark } from './upload-mark.ts';
import { UploadQueue } from './upload-queue.ts';
import { isLocalDamage } from './verified.ts';

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
  readonly #replica: Replica;
  readonly #local: LocalLog;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onEvent: (event: UploadEvent) => void;
  readonly #queue = new UploadQueue();
  readonly #failures: Failures;
  readonly #progress: UploadProgress;
  readonly #mark: UploadMark;
  readonly #own = new OwnWrites();
  readonly #pageSizes: PageSizes;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  #roundEnd: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Where the next file goes; unknown before the first listing and after every error. */
  #position: TXID | undefined;
  /** Nothing shows that local files continue what is at the replica: only a file with every page may follow. */
  #needsFull = false;
  /** Where our own history was last seen at the replica. */
  #proven: TXID | undefined;
  /** Monotonic ms; Infinity when nothing is tried any more. */
  #nextRoundAt = 0;
  #rounds = 0;
  /** Somebody wants another round after the one that runs. */
  #retryAsked = false;

  constructor({ settings, replica, directory, clock, log, onEvent = () => {} }: UploaderOptions) {
    this.#settings = settings;
    this.#replica = replica;
    this.#local = new LocalLog(directory);
    this.#pageSizes = new PageSizes(replica, this.#local);
    this.#clock = clock;
    this.#log = log;
    this.#onEvent = onEvent;
    this.#failures = new Failures(clock, log, settings.syncIntervalMs);
    this.#progress = new UploadProgress(clock, this.#queue);
    this.#mark = new UploadMark(dirname(dirname(directory)), settings.name, replica.store.destination, log);
  }

  /** The position confirmed at the replica; undefined while unknown. */
  get position(): TXID | undefined {
    return this.#progress.confirmed;
  }

  /** Least position the replica must have, by what this process has seen there or an earlier one has remembered; undefined when neither has. */
  async rememberedPosition(): Promise<TXID | undefined> {
    return this.#progress.least ?? this.#mark.read();
  }

  /** A file of our own history that ends at `txid` was put there by somebody else: a snapshot. */
  async holds(txid: TXID): Promise<void> {
    this.#prove(txid);
    await this.#remember({ force: true });
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
    this.#own.forget();
    this.#progress.forget();
    this.#queue.clear();
    this.#proven = undefined;
    await this.#mark.remove();
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
    this.#own.captured(file.txid);
    this.#wake.resolve();
  }

  /**
   * Computes the position anew and tries again at once, for whoever has removed the cause of a failure: a snapshot was written, a disk mounted.
   * `othersWrote`: files of another writer there are in order.
   */
  retryNow({ othersWrote = false }: { readonly othersWrote?: boolean } = {}): void {
    if (othersWrote) this.#own.forget();
    this.#position = undefined;
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
    const begun = this.#rounds;
    while (!this.#has(target)) {
      const failed = this.#failures.last !== undefined && this.#rounds > begun;
      const expired = this.#clock.monotonic() >= deadline;
      if (this.#isHalted() || (failed && this.#isRefused()) || (expired && (failed || !this.#hasWork()))) throw this.#notReplicated(target);
      this.#expedite(failed ? retryIntervalMs : 0);
      const limit = deadlineMs === 0 ? Number.POSITIVE_INFINITY : deadline - this.#clock.monotonic();
      if (!(await this.#roundEnds(limit, signal))) throw this.#notReplicated(target);
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
    this.#roundEnd.resolve();
    await this.#running;
    await this.#remember({ force: true });
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const wait = this.#nextRoundAt - this.#clock.monotonic();
      if (!this.#hasWork() || wait > 0) await this.#sleep(this.#hasWork() ? wait : Number.POSITIVE_INFINITY);
      else await this.#round();
    }
  }

  #hasWork(): boolean {
    return this.#position === undefined || this.#queue.length > 0;
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
      this.#position ??= await this.#locate();
      const limited = await this.#sendPending(this.#position);
      this.#nextRoundAt = limited ? started : started + this.#settings.syncIntervalMs;
      const attempts = this.#failures.clear();
      if (attempts > 0) this.#onEvent({ type: 'recovered', attempts });
      await this.#remember();
      // A backlog must not keep everything else on this thread waiting.
      if (limited) await setImmediate();
    } catch (error) {
      this.#position = undefined;
      if (!this.#closing.signal.aborted) this.#failed(error);
    }
    if (this.#retryAsked) this.retryNow();
    this.#rounds += 1;
    this.#roundEnd.resolve();
    this.#roundEnd = Promise.withResolvers();
  }

  /** Where the replica is, after making sure that it is our history that ends there. */
  async #locate(): Promise<TXID> {
    const signal = this.#closing.signal;
    // Where others may write, what is there now says nothing about where we go on.
    await this.#replica.mayWrite();
    if (this.#progress.least === undefined) {
      this.#progress.remember(await this.#mark.read());
      this.#proven ??= this.#mark.proven;
    }
    const least = this.#progress.least;
    this.#queue.replace(await this.#local.list());
    if (least !== undefined) this.#queue.drop(least);
    this.#own.captured(this.#queue.newest);
    const position = await this.#replica.maxTXID(signal);
    this.#own.check(this.#replica, position);
    if (least !== undefined && position < least) throw fellBack(this.#replica, { least, position, mark: this.#mark.path });
    const newest = this.#queue.newest;
    const continuity = await this.#continuityAt(position, newest);
    if (this.#progress.confirmed === undefined && least === undefined && continuity === 'unknown') this.#warnOfUnknown(position);
    this.#pageSizes.forget();
    this.#progress.located(position);
    if (continuity === 'different' && newest > position) throw this.#gap(otherHistory(this.#replica, position));
    this.#needsFull = continuity !== 'same';
    if (continuity === 'same') this.#prove(position);
    if (position > newest || continuity === 'different') this.#setAhead(position);
    else this.#progress.continues();
    return position;
  }

  /** Loud once: it may be a new machine, or a path that belongs to another database (decision 56). */
  #warnOfUnknown(position: TXID): void {
    const { destination } = this.#replica.store;
    this.#log.log('warn', 'the replica holds a history that this machine does not know: it is continued with a full file', {
      destination,
      txid: formatTXID(position),
      hint: 'If this is the path of another database, give this one its own and restore the other from before this file.',
    });
  }

  async #continuityAt(position: TXID, newest: TXID): Promise<Continuity> {
    if (position === NO_TXID) return 'same';
    if (position > newest) return 'unknown';
    return compareAt(this.#replica, this.#local, { position, proven: this.#proven, signal: this.#closing.signal });
  }

  /** Sends what is pending now, at most as many files as a round may have; true when more of it is left. */
  async #sendPending(from: TXID): Promise<boolean> {
    const pending = this.#queue.length;
    const count = Math.min(pending, this.#settings.maxSyncFiles);
    let position = from;
    for (let sent = 0; sent < count; sent++) {
      // Files below the position were finished before the engine heard that the replica is ahead.
      this.#queue.drop(position);
      const file = this.#queue.first;
      if (file === undefined) break;
      const needed = nextTXID(position);
      if (file.txid !== needed) throw this.#gap(missingLocalFile(needed, this.#local.path(needed)));
      if (this.#needsFull && !isFullFile(this.#local.path(needed))) throw this.#gap(otherHistory(this.#replica, position));
      await this.#send(file);
      position = file.txid;
    }
    return count < pending;
  }

  /** Repeating the same call is of no use. */
  #isRefused(): boolean {
    const last = this.#failures.last;
    const disposition = last === undefined ? 'retry' : ERROR_CODES[last.error.code].disposition;
    return disposition === 'refuse' || disposition === 'fatal';
  }

  /** A damaged file is never published, and what comes after it needs a snapshot first, as after a missing one. */
  async #send(file: LocalFile): Promise<void> {
    try {
      await this.#sendSound(file);
    } catch (error) {
      throw isLocalDamage(error, this.#local.path(file.txid)) ? this.#gap(error) : error;
    }
  }

  async #sendSound({ txid }: LocalFile): Promise<void> {
    const signal = this.#closing.signal;
    const started = this.#clock.monotonic();
    const { body, timestamp, pageSize } = await this.#local.take(txid);
    const differs = await this.#pageSizes.differs(pageSize, this.#progress.confirmed ?? NO_TXID, signal);
    const { size } = await this.#replica.write(0, txid, txid, body, { createdAt: timestamp, signal });
    this.#position = txid;
    this.#needsFull = false;
    this.#own.written();
    this.#prove(txid);
    const at = this.#progress.uploaded(txid);
    if (differs) this.#onEvent({ type: 'page-size', txid });
    this.#onEvent({ type: 'uploaded', txid, size, durationMs: this.#clock.monotonic() - started, at });
  }

  #prove(txid: TXID): void {
    if (this.#proven === undefined || txid > this.#proven) this.#proven = txid;
  }

  async #remember(options: { readonly force?: boolean } = {}): Promise<void> {
    const confirmed = this.#progress.confirmed;
    if (confirmed !== undefined && confirmed > NO_TXID) await this.#mark.write(confirmed, this.#proven, this.#clock.now(), options);
  }

  /** Tells that this replica needs a snapshot, and hands `error` back. */
  #gap(error: LitestreamError): LitestreamError {
    this.#onEvent({ type: 'gap', needed: nextTXID(this.#progress.confirmed ?? NO_TXID) });
    return error;
  }

  #setAhead(floor: TXID): void {
    if (!this.#progress.goesAhead(floor)) return;
    this.#log.log('warn', 'the replica is ahead of the local log: going on with a full file after it', { floor: formatTXID(floor) });
    this.#onEvent({ type: 'ahead', floor });
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
    return this.#position !== undefined && this.#position >= target && this.#progress.ahead === undefined;
  }

  /** False when `limitMs` passes first. */
  async #roundEnds(limitMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const ended = this.#roundEnd.promise.then(() => true);
    if (limitMs === Number.POSITIVE_INFINITY) return orAbort(ended, signal);
    const timer = new AbortController();
    const expired = this.#clock.sleep(Math.max(0, limitMs), { signal: timer.signal }).then(
      () => false,
      () => false,
    );
    try {
      return await orAbort(Promise.race([ended, expired]), signal);
    } finally {
      timer.abort();
    }
  }

  #notReplicated(target: TXID): LitestreamError {
    const last = this.#failures.last?.error;
    const missing = this.#queue.length;
    const reason = this.#progress.ahead === undefined ? `${missing} files are missing there` : 'the replica is ahead of the local log';
    return new LitestreamError('NOT_REPLICATED', `TXID ${formatTXID(target)} has not reached replica ${this.#settings.name}: ${reason}`, {
      details: { target: formatTXID(target), files: missing, bytes: this.#queue.bytes, ...(last === undefined ? {} : { last }) },
      ...(last === undefined ? {} : { cause: new Error(`${last.code}: ${last.message}`) }),
      hint: last?.hint ?? 'Give it more time, or look at `litestream status`.',
    });
  }

  #state(): UploadStatus['state'] {
    if (this.#closing.signal.aborted) return 'stopped';
    if (this.#failures.last !== undefined) return 'failing';
    if (this.#progress.confirmed === undefined) return 'starting';
    return this.#progress.ahead === undefined ? 'replicating' : 'degraded';
  }
}
