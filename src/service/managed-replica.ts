/** One replica of one database over its life in this process: store, uploader and the words for its state. */

import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { ERROR_CODES, type ErrorCode, type ErrorData, errorToData, hasCode, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { StagedFile } from '../engine/database-engine.ts';
import type { DatabaseSettings, ReplicaSettings } from '../engine/options.ts';
import type { UploadEvent } from '../engine/upload/events.ts';
import { ProblemLog } from '../engine/upload/failures.ts';
import { isSameAt } from '../engine/upload/history.ts';
import { fingerprintFile, type LocalFile, LocalLog } from '../engine/upload/local-log.ts';
import { Uploader } from '../engine/upload/uploader.ts';
import type { TXID } from '../formats/ltx/txid.ts';
import { type FileInfo, SNAPSHOT_LEVEL } from '../replica/file-info.ts';
import type { Replica } from '../replica/replica.ts';
import { fileBody } from '../storage/body.ts';
import { reasonOf } from '../storage/wrap/outage.ts';
import { Bridge } from './bridge.ts';
import type { Companion } from './companions/companion.ts';
import { advised, isDisplaced } from './displaced.ts';
import { guarded, type PutSnapshot } from './guarded-snapshot.ts';
import { failureOf, lastUpload } from './last-upload.ts';
import { limited } from './limited.ts';
import { ReplicaBacklog } from './local/backlog.ts';
import { NewBase } from './new-base.ts';
import type { CompanionFacts, ReplicaHandle, ReplicaStatus } from './service.ts';
import type { StopLimits } from './stop-limits.ts';

export interface ManagedReplicaOptions {
  readonly database: DatabaseSettings;
  readonly settings: ReplicaSettings;
  readonly replica: Replica;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lagBudgetMs: number;
  /** A round of uploads failed. */
  readonly onUploadFailed: (code: string) => void;
}

/** What a replica asks of its database. */
export interface ReplicaNeeds {
  /** The replica is further than the local log: the next file has to be a full one after `floor`. */
  raise(floor: TXID): Promise<void>;
  /** Puts a level-9 file of the current position there: the local log no longer has what the replica needs (decision 26). */
  bridge(signal: AbortSignal): Promise<FileInfo>;
  /** The replica has confirmed another file. */
  confirmed(): void;
  /** A round of uploads failed. */
  failed?(error: ErrorData): void;
  /** Another process writes there; resolves with what to do about what it does not have, a sentence. */
  displaced?(): Promise<string>;
  /** That is over. */
  regained?(): void;
}

/** What letting go of a store may take before it is left to the end of the process, ms. */
const RELEASE_LIMIT = 2000;

/** How long a snapshot waits for the level-0 files that it holds, ms. */
const UPLOADS_FIRST = 30_000;

/** How long uploads that fail may hold the closing of the engine up, ms. */
const MEND_LIMIT = 5000;

export class ManagedReplica implements ReplicaHandle {
  readonly settings: ReplicaSettings;
  readonly replica: Replica;
  readonly backlog: ReplicaBacklog;
  readonly #options: ManagedReplicaOptions;
  readonly #log: Logger;
  readonly #local: LocalLog;
  readonly #uploader: Uploader;
  readonly #closing = new AbortController();
  readonly #questions: ProblemLog;
  readonly #bridge: Bridge;
  #companions: readonly Companion[] = [];
  #needs: ReplicaNeeds | undefined;
  #isRefusing = false;
  /** What to do about what another writer's replica does not have. */
  #advice: string | undefined;
  #keeping: Promise<void> | undefined;
  readonly #newBase: NewBase;

  constructor(options: ManagedReplicaOptions) {
    const { database, settings, replica, clock, log } = options;
    this.settings = settings;
    this.replica = replica;
    this.#options = options;
    this.#log = log.with({ database: database.name, replica: settings.name });
    this.#questions = new ProblemLog(clock, this.#log, {
      level: 'warn',
      failing: 'the replica cannot be asked for its position',
      over: 'the replica has said what its position is',
    });
    const snapshots = { clock, log: this.#log, signal: this.#closing.signal, snapshot: () => this.#snapshot() };
    this.#bridge = new Bridge({ ...snapshots, onEnd: () => this.#uploader.retryNow() });
    this.#newBase = new NewBase(snapshots);
    const directory = join(database.metaPath, 'ltx', '0');
    this.#local = new LocalLog(directory);
    this.#uploader = new Uploader({ settings, replica, directory, clock, log: this.#log, onEvent: (event) => this.#onEvent(event) });
    this.backlog = new ReplicaBacklog(settings.name, this.#uploader, database.backlog, clock);
  }

  /** Largest TXID at the replica; undefined when it did not answer within `limitMs`. */
  async findPosition(signal: AbortSignal, limitMs: number): Promise<TXID | undefined> {
    const what = `asking ${this.replica.store.destination} for its position`;
    try {
      const position = await limited({ clock: this.#options.clock, ms: limitMs, what, signal }, (call) => this.replica.maxTXID(call));
      this.#isRefusing = false;
      this.#questions.succeeded();
      this.#uploader.heard(position);
      return position;
    } catch (thrown) {
      if (signal.aborted) return undefined;
      const error = errorToData(reasonOf(thrown, this.replica.store));
      this.#isRefusing = isRefusal(error.code);
      if (hasCode(thrown, 'TIMEOUT') || !this.#isToldByUploads(error.code)) this.#questions.failed(error.code, { error });
      return undefined;
    }
  }

  /** What this process or an earlier one has seen there; undefined when nothing is remembered. */
  rememberedPosition(): Promise<TXID | undefined> {
    return this.#uploader.rememberedPosition();
  }

  /** Uploads have failed for the same reason, or are about to: they begin after the first question. One that hangs says nothing. */
  #isToldByUploads(code: ErrorCode): boolean {
    return this.#uploader.status().lastError?.error.code === code || (this.#needs === undefined && code !== 'TIMEOUT');
  }

  /** The last question for its position was refused: the same question is of use only after a person has changed something. */
  get isRefusing(): boolean {
    return this.#isRefusing;
  }

  /** Gives it what accompanies its uploads; once, before `start`. */
  attach(companions: readonly Companion[]): void {
    this.#companions = companions;
  }

  start(needs: ReplicaNeeds): void {
    this.#needs = needs;
    this.#uploader.start();
    for (const companion of this.#companions) companion.start();
  }

  retryNow(options?: { readonly othersWrote?: boolean }): void {
    this.#uploader.retryNow(options);
  }

  /** The local state was reset: looks anew, whatever was found before. */
  startOver(): Promise<void> {
    this.replica.endWrites(undefined);
    this.#regain();
    return this.#uploader.startOver();
  }

  /** A local file is durable. */
  notify(file: LocalFile): void {
    this.#uploader.notify(file);
  }

  /** The position confirmed at the replica; undefined while unknown. */
  get position(): TXID | undefined {
    return this.#uploader.position;
  }

  /** Resolves when everything that is durable locally is at the replica. */
  async flush(signal?: AbortSignal): Promise<void> {
    await this.#uploader.flush({ signal });
  }

  /** Puts a staged level-9 file; the caller removes it locally. SECOND_WRITER when files of somebody else would continue it. */
  async putSnapshot(staged: StagedFile, signal?: AbortSignal): Promise<FileInfo> {
    await this.#uploader.goAhead(staged.maxTXID, UPLOADS_FIRST, signal);
    const options = { replica: this.replica, uploader: this.#uploader, upTo: staged.maxTXID, signal };
    await this.#uploader.expects({ txid: staged.maxTXID, ...(await fingerprintFile(staged.path)) });
    const { written, isOurs } = await guarded(options, () => this.#putStaged(staged, signal));
    if (isOurs) await this.#uploader.holds(staged.maxTXID);
    return written;
  }

  async #putStaged({ path, minTXID, maxTXID, size, timestamp }: StagedFile, signal: AbortSignal | undefined): Promise<PutSnapshot> {
    const body = fileBody(path, size);
    const written = await this.replica.write(SNAPSHOT_LEVEL, minTXID, maxTXID, body, {
      createdAt: timestamp,
      ...(signal === undefined ? {} : { signal }),
    });
    // Another file of this range may have stood there and been taken for ours.
    return { written, isOurs: await isSameAt(this.replica, written, path, signal) };
  }

  look(): void {
    for (const companion of this.#companions) companion.look?.();
  }

  status(): ReplicaStatus {
    const { lastError, state, ...uploads } = this.#uploader.status();
    const { waitingSeconds = 0, ...extras } = joinFacts([...this.#companions, this.backlog]);
    const facts = { ...uploads, lagSeconds: Math.max(uploads.lagSeconds, waitingSeconds) };
    const troubled = facts.lagSeconds * 1000 > this.#options.lagBudgetMs || extras.troubles !== undefined;
    const behind = state === 'replicating' && troubled;
    return {
      ...extras,
      role: this.settings.role ?? 'required',
      name: this.settings.name,
      type: this.replica.store.type,
      destination: this.replica.store.destination,
      state: behind ? 'degraded' : state,
      ...facts,
      ...(lastError === undefined ? {} : { lastError: advised(lastError, this.#advice) }),
    };
  }

  /** Where uploads fail: what only an open engine can help with, a snapshot over a hole, gets its chance before the engine is closed. */
  async mend({ deadlineMs, retryMs, signal }: StopLimits): Promise<void> {
    const { lastError } = this.#uploader.status();
    if (lastError === undefined || isRefusal(lastError.error.code) || deadlineMs === 0 || signal.aborted) return;
    const limits = { signal, deadlineMs: Math.min(deadlineMs / 2, MEND_LIMIT), retryIntervalMs: retryMs };
    await this.#uploader.flush(limits).catch(() => {}); // the last upload says what is missing
  }

  /**
   * Last upload, unless the limits' signal is aborted already, then releases the store.
   * @returns the error when something is left.
   */
  async finish(limits: StopLimits): Promise<LitestreamError | undefined> {
    try {
      await this.#stopCompanions(true);
      return await lastUpload({ uploader: this.#uploader, local: this.#local, log: this.#log }, limits);
    } finally {
      await this.#release();
    }
  }

  async #stopCompanions(isBeforeFlush: boolean): Promise<void> {
    const leaving = this.#companions.filter((companion) => (companion.isBeforeFlush ?? true) === isBeforeFlush);
    const ends = await Promise.allSettled(leaving.map((companion) => companion.stop()));
    for (const end of ends) {
      if (end.status === 'rejected') this.#log.log('warn', 'stopping was not clean', { error: errorToData(end.reason) });
    }
  }

  async #release(): Promise<void> {
    const { clock, settings } = this.#options;
    this.#closing.abort(new LitestreamError('SHUTTING_DOWN', `replica ${settings.name} is being closed`));
    try {
      await limited({ clock, ms: RELEASE_LIMIT, what: `closing ${this.replica.store.destination}` }, async () => {
        await this.#uploader.close();
        await this.#bridge.settled();
        await this.#newBase.settled();
        await this.#keeping;
        await this.#stopCompanions(false);
        await this.replica.close();
      });
    } catch (error) {
      this.#log.log('warn', 'the replica could not be closed', { error: errorToData(error) });
    }
  }

  #onEvent(event: UploadEvent): void {
    switch (event.type) {
      case 'uploaded':
        this.#regain();
        this.#bridge.crossed();
        this.#needs?.confirmed();
        return;
      case 'ahead':
        void this.#needs?.raise(event.floor);
        return;
      case 'gap':
        this.#bridge.need();
        return;
      case 'failed':
        this.#options.onUploadFailed(event.error.code);
        if (isDisplaced(event.error)) this.#onDisplaced(event.error);
        this.#needs?.failed?.(event.error);
        return;
      case 'page-size':
        this.#newBase.need(event.txid);
        return;
      case 'recovered':
        return;
    }
  }

  async #snapshot(): Promise<FileInfo> {
    if (this.#needs === undefined) throw new LitestreamError('DB_NOT_OPEN', `${this.#options.database.name} is not open`);
    return this.#needs.bridge(this.#closing.signal);
  }

  #regain(): void {
    if (this.#keeping === undefined) return;
    this.#advice = undefined;
    this.#keeping = undefined;
    this.#needs?.regained?.();
  }

  /** Nothing more is written or deleted by us, and what only we have is kept. */
  #onDisplaced(error: ErrorData): void {
    if (error.code === 'SECOND_WRITER') this.replica.endWrites(failureOf(error));
    this.#keeping ??= this.#needs?.displaced?.().then((advice) => {
      this.#advice = advice;
    });
  }
}

/** What companions say, in one; their troubles stand side by side. */
function joinFacts(companions: readonly Pick<Companion, 'facts'>[]): CompanionFacts {
  const all = companions.map((companion) => companion.facts?.() ?? {});
  const troubles = all.flatMap((facts) => facts.troubles ?? []);
  const { troubles: _, ...joined } = Object.assign({}, ...all) as CompanionFacts;
  return troubles.length === 0 ? joined : { ...joined, troubles };
}

/** Only a person can make the same call succeed. */
function isRefusal(code: ErrorCode): boolean {
  const { disposition } = ERROR_CODES[code];
  return disposition === 'refuse' || disposition === 'fatal';
}
