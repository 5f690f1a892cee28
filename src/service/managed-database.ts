/** One configured database over its life in this process: engine, uploaders, and what they say about each other. */

import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { errorToData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { PageSums, SyncResult } from '../engine/database-engine.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { RunJob } from '../engine/jobs.ts';
import type { DatabaseSettings, ReplicaSettings } from '../engine/options.ts';
import type { FileInfo } from '../replica/file-info.ts';
import { CaptureCheck } from './capture-check.ts';
import { EngineLife } from './cold/engine-life.ts';
import type { ColdSupport } from './cold/support.ts';
import type { CompanionCount, MakeCompanion } from './companions/companion.ts';
import { EngineKeeper, type OpenEngine } from './engine-keeper.ts';
import { Floors } from './floors.ts';
import { limited } from './limited.ts';
import { LocalFiles } from './local/local-files.ts';
import { bringBack } from './local/missing-database.ts';
import { Resets } from './local/reset.ts';
import type { ManagedReplica } from './managed-replica.ts';
import type { DatabaseEntry } from './options.ts';
import { ReplicaMoves } from './replica-moves.ts';
import { decisive } from './roles.ts';
import type { Scheduler } from './schedule/scheduler.ts';
import type { DatabaseHandle, DatabaseStatus, ReplicaHandle, ResetOutcome } from './service.ts';
import { StopDeadline, type StopLimits } from './stop-limits.ts';
import { Verdict } from './verdict.ts';

export interface ManagedDatabaseCollaborators {
  readonly clock: Clock;
  readonly log: Logger;
  readonly openEngine: OpenEngine;
  /** Restores the missing database file before replication starts; false when there is nothing to restore. */
  readonly restoreMissing: (entry: DatabaseEntry, signal: AbortSignal) => Promise<boolean>;
  readonly onEngineEvent: (path: string, event: EngineEvent) => void;
  readonly lagBudgetMs: number;
  /** A replica of this database at another destination. */
  readonly makeReplica: (settings: ReplicaSettings) => Promise<ManagedReplica>;
  readonly scheduler: Scheduler;
  readonly runJob: RunJob;
  /** What may accompany each replica. */
  readonly companions: readonly MakeCompanion[];
  readonly onCount: (replica: string, what: CompanionCount, amount: number) => void;
  /** Undefined: no database is closed while it is idle. */
  readonly cold?: ColdSupport | undefined;
}

/** What a stopped database leaves behind. */
export interface Unreplicated {
  readonly database: string;
  readonly replica: string;
  readonly error: string;
}

/** Of the time for stopping, the part that may be spent on replicas that have never answered. */
const ASKING_PART = 0.8;
/** How long a best-effort replica may hold a stop up, ms. */
const BEST_EFFORT_FINISH = 5000;

export class ManagedDatabase implements DatabaseHandle {
  readonly settings: DatabaseSettings;
  #replicas: readonly ManagedReplica[];
  readonly #entry: DatabaseEntry;
  readonly #with: ManagedDatabaseCollaborators;
  readonly #log: Logger;
  readonly #stopping = new AbortController();
  readonly #floors: Floors;
  readonly #keeper: EngineKeeper;
  readonly #life: EngineLife;
  readonly #check: CaptureCheck;
  readonly #verdict: Verdict;
  readonly #local: LocalFiles;
  readonly #resets: Resets;
  #starting: Promise<void> | undefined;
  readonly #moves: ReplicaMoves;

  constructor(entry: DatabaseEntry, replicas: readonly ManagedReplica[], collaborators: ManagedDatabaseCollaborators) {
    const { clock, openEngine, lagBudgetMs, scheduler, makeReplica } = collaborators;
    const { settings } = entry;
    this.settings = settings;
    this.#replicas = replicas;
    this.#entry = entry;
    this.#with = collaborators;
    this.#log = collaborators.log.with({ database: settings.name });
    const common = { settings, clock, log: this.#log };
    const signal = this.#stopping.signal;
    this.#floors = new Floors(replicas, clock, this.#decisive);
    this.#keeper = new EngineKeeper({ ...common, floors: this.#floors, openEngine, onEvent: (event) => this.#onEvent(event) });
    this.#life = new EngineLife({
      ...common,
      keeper: this.#keeper,
      scheduler,
      support: collaborators.cold,
      isReplicated: () => this.#isReplicated(),
      signal,
    });
    this.#check = new CaptureCheck(settings.path, clock, {
      directory: join(settings.metaPath, 'ltx', '0'),
      graceMs: 2 * settings.pollIntervalMs,
    });
    this.#verdict = new Verdict(clock, lagBudgetMs);
    this.#local = new LocalFiles({
      ...common,
      replicas: () => this.#replicas,
      snapshot: (to) => this.#life.use((engine) => engine.snapshot(to)),
      scheduler,
    });
    this.#resets = new Resets({
      ...common,
      replicas: () => this.#replicas,
      decisive: () => this.#decisive,
      floors: this.#floors,
      use: (work) => this.#life.use(work),
      signal,
    });
    this.#moves = new ReplicaMoves({
      ...common,
      make: makeReplica,
      snapshot: (replica, abort) => this.#snapshot(replica, abort),
      note: (txid) => this.#floors.note(txid),
      replace: (old, next) => this.#replace(old, next),
      signal,
    });
    for (const replica of replicas) this.#accompany(replica);
  }

  get isCold(): boolean {
    return this.#life.isCold;
  }

  get replicas(): readonly ManagedReplica[] {
    return this.#replicas;
  }

  /** Those that waits and the exit depend on. */
  get #decisive(): readonly ManagedReplica[] {
    return decisive(this.#replicas, (replica) => replica.settings.role);
  }

  /** Begins in the background and keeps trying; problems are told by `status`. */
  start(): void {
    this.#starting = this.#begin().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#keeper.view.fail(errorToData(error));
    });
  }

  async sync({ wait, signal }: { readonly wait: boolean; readonly signal?: AbortSignal }): Promise<SyncResult> {
    const result = await this.#life.use((engine) => engine.sync());
    if (wait) await this.#flush(signal);
    return result;
  }

  /** Every replica gets what it takes, whatever another one refuses; rejects with the first failure. */
  async #flush(signal: AbortSignal | undefined): Promise<void> {
    const ends = await Promise.allSettled(this.#decisive.map((replica) => replica.flush(signal)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  async snapshot(handle: ReplicaHandle, signal?: AbortSignal): Promise<FileInfo> {
    const replica = this.replicas.find((one) => one === handle);
    if (replica === undefined)
      throw new LitestreamError('REPLICA_NOT_FOUND', `${handle.settings.name} is not a replica of ${this.settings.name}`);
    return this.#snapshot(replica, signal);
  }

  reset(reason: string): Promise<ResetOutcome> {
    return this.#resets.run(reason);
  }

  pageSums(directory: string): Promise<PageSums> {
    return this.#life.use((engine) => engine.pageSums(directory));
  }

  moveReplica(handle: ReplicaHandle, settings: ReplicaSettings): Promise<void> {
    const old = this.#replicas.find((one) => one === handle);
    return old === undefined || this.#stopping.signal.aborted ? Promise.resolve() : this.#moves.move(old, settings);
  }

  async status(): Promise<DatabaseStatus> {
    const [engine, unseenSeconds] = await Promise.all([
      this.#keeper.view.read(this.#keeper.current),
      this.#check.unseenSeconds(this.#life.isCold),
    ]);
    const replicas = this.replicas.map((replica) => replica.status());
    const cold = this.#life.facts;
    return { ...this.#verdict.over(engine, replicas, unseenSeconds), ...(cold === undefined ? {} : { cold }) };
  }

  /**
   * Final sync and upload, then releases everything. A failing last upload is retried until the deadline.
   * @returns what did not reach a replica.
   */
  async stop(limits: StopLimits): Promise<Unreplicated[]> {
    this.#stopping.abort(new LitestreamError('SHUTTING_DOWN', `replication of ${this.settings.name} is being stopped`));
    const deadline = new StopDeadline(limits, this.#with.clock);
    const left: Unreplicated[] = [];
    const report = (replica: string, error: LitestreamError | undefined): void => {
      if (error !== undefined) left.push({ database: this.settings.name, replica, error: problemText(error) });
    };
    try {
      await this.#starting;
      await this.#moves.settled();
      await this.#local.stop();
      await this.#lastQuestion(deadline);
      await Promise.all(this.#decisive.map((replica) => replica.mend(deadline.rest())));
      await this.#life.stop(deadline.signal);
      const uncaptured = await this.#keeper.close(deadline.signal);
      await Promise.all(this.replicas.map((replica) => this.#finish(replica, deadline.rest(), report)));
      // Last: where nothing could be captured because of a replica, the replica's problem is the one to solve.
      report('-', uncaptured);
      await this.#local.settled();
      await this.#resets.settled();
      return left;
    } finally {
      deadline.release();
    }
  }

  /** A best-effort replica is not waited for as long, and what it lacks is in the log only. */
  async #finish(replica: ManagedReplica, limits: StopLimits, report: (replica: string, error: LitestreamError | undefined) => void) {
    if (this.#decisive.includes(replica)) return report(replica.settings.name, await replica.finish(limits));
    const ms = Math.min(limits.deadlineMs === 0 ? BEST_EFFORT_FINISH : limits.deadlineMs, BEST_EFFORT_FINISH);
    await replica.finish({ ...limits, deadlineMs: ms });
  }

  #replace(old: ManagedReplica, next: ManagedReplica): void {
    this.#replicas = this.#replicas.map((one) => (one === old ? next : one));
    this.#accompany(next);
    this.#startReplica(next);
  }

  #accompany(replica: ManagedReplica): void {
    const { clock, scheduler, runJob, companions, onCount } = this.#with;
    const name = replica.settings.name;
    const context = {
      database: this,
      replica,
      scheduler,
      clock,
      log: this.#log.with({ replica: name }),
      staging: this.#local.staging,
      local: this.#local.log,
      runJob,
      count: (what: CompanionCount, amount = 1) => onCount(name, what, amount),
    };
    replica.attach(companions.flatMap((make) => make(context) ?? []));
  }

  async #begin(): Promise<void> {
    const signal = this.#stopping.signal;
    if (this.#entry.restoreIfMissing) await this.#bringBack(signal);
    await this.#with.scheduler.withBudget('asking', () => this.#floors.ask(signal), signal);
    signal.throwIfAborted();
    await this.#life.begin(async () => {
      this.#keeper.open();
      for (const replica of this.replicas) this.#startReplica(replica);
      this.#local.start();
    });
    if (!this.#floors.areKnown) void this.#findFloors(signal);
  }

  #bringBack(signal: AbortSignal): Promise<void> {
    const { clock, restoreMissing } = this.#with;
    return bringBack(
      {
        path: this.settings.path,
        local: this.#local.log,
        restore: (abort) => restoreMissing(this.#entry, abort),
        flush: (abort) => Promise.all(this.#decisive.map((replica) => replica.flush(abort))),
        onFailed: (error) => this.#keeper.view.fail(error),
        clock,
        log: this.#log,
      },
      signal,
    );
  }

  /** An engine that does not know what a replica holds has captured nothing; it may still, if the replica answers in good time. */
  async #lastQuestion(deadline: StopDeadline): Promise<void> {
    const { deadlineMs, retryMs, signal } = deadline.rest();
    if (this.#floors.areKnown || this.#keeper.view.last.state !== 'starting') return;
    const limit = { clock: this.#with.clock, ms: deadlineMs * ASKING_PART, what: 'asking the replicas for their positions', signal };
    try {
      if (deadlineMs === 0) await this.#floors.ask(signal);
      else await limited(limit, (call) => this.#floors.askWhileUseful(call, retryMs));
    } catch {
      return; // the final sync says what is missing
    }
    await this.#keeper.tellFloor();
  }

  #startReplica(replica: ManagedReplica): void {
    replica.start({
      raise: (floor) => {
        this.#floors.note(floor);
        return this.#life.isCold ? this.#life.wake() : this.#keeper.tellFloor();
      },
      bridge: (signal) => this.#snapshot(replica, signal),
      confirmed: () => this.#local.confirmed(),
      displaced: () => this.#local.aside.keep(replica.settings.name),
      regained: () => this.#local.aside.end(replica.settings.name),
      failed: (error) => this.#resets.consider(error),
    });
  }

  /** A replica that could not be asked at the start may hold more than we know: the engine hears of it as soon as all have answered. */
  async #findFloors(signal: AbortSignal): Promise<void> {
    try {
      await this.#floors.askUntilKnown(signal);
    } catch {
      return; // stopped while waiting
    }
    await this.#keeper.tellFloor();
  }

  #snapshot(replica: ManagedReplica, signal: AbortSignal | undefined): Promise<FileInfo> {
    return this.#local.staging.with(async (directory) =>
      replica.putSnapshot(await this.#life.use((engine) => engine.snapshot(directory)), signal),
    );
  }

  #isReplicated(): boolean {
    const { state, txid } = this.#keeper.view.last;
    return state === 'waiting' || this.#decisive.every(({ position }) => position === txid);
  }

  #onEvent(event: EngineEvent): void {
    this.#check.observe(event);
    this.#life.observe(event);
    this.#with.onEngineEvent(this.settings.path, event);
    if (event.type === 'synced') {
      for (const replica of this.replicas) replica.notify(event);
      this.#local.synced(event.txid);
    }
    if (event.type === 'state' && event.state === 'replicating') this.#local.sweep();
  }
}

/** Their hint is to wait, which is not a next step once everything has stopped. */
const WAITING: ReadonlySet<string> = new Set(['DB_NOT_READY', 'NOT_REPLICATED']);

/** For a person: the code, what failed, the next step. */
function problemText({ code, message, hint }: LitestreamError): string {
  return hint === undefined || WAITING.has(code) ? `${code}: ${message}` : `${code}: ${message}. ${hint}`;
}
