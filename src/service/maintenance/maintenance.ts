/** Companion: keeps one replica merged, snapshotted and free of what has outlived its use (docs/engine.md, Levels). */

import { LitestreamError } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { checkLevels } from '../../engine/compaction/level-check.ts';
import type { Protections } from '../../engine/compaction/retention-plan.ts';
import type { MaintenanceSettings } from '../../engine/options.ts';
import { NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import { LEVELS, type Level, SNAPSHOT_LEVEL } from '../../replica/file-info.ts';
import type { Companion, CompanionContext, MakeCompanion } from '../companions/companion.ts';
import type { Budget, ScheduledTask } from '../schedule/scheduler.ts';
import type { CompanionFacts, ReplicaHandle } from '../service.ts';
import { Compactor } from './compactor.ts';
import { Keeper } from './keeper.ts';
import { LevelFindings } from './level-findings.ts';
import { Troubles } from './troubles.ts';

/** One kind of work on the replica; the order of the list is the order in which they profit from each other. */
interface Work {
  /** For names and troubles. */
  readonly of: string;
  readonly intervalMs: number;
  readonly budget: Budget;
  run(isForced: boolean, signal: AbortSignal): Promise<void>;
  /** By what is known it has nothing to do: thousands of replicas at rest are asked this, many a second. */
  isSettled?(): boolean;
}

const LEVEL0 = 'level-0 retention';
const SNAPSHOT = 'snapshot';
const PUT_OFF = 'what was put off';
/** Level 0 is passed at most this often, in intervals of level 1: after every other merge, whichever moment of the interval that takes. */
const PASS_EVERY = 1.5;

/** What was put off waits no longer than this behind the time at which it can be done, ms. */
const PUT_OFF_MS = 60_000;

const companions = new WeakMap<ReplicaHandle, Maintenance>();

/** The maintenance of a running replica; undefined when its settings ask for none. */
export const maintenanceOf = (replica: ReplicaHandle): Maintenance | undefined => companions.get(replica);

export const makeMaintenance: MakeCompanion = (context) => {
  const settings = context.replica.settings.maintenance;
  return settings === undefined ? undefined : new Maintenance(context, settings);
};

export class Maintenance implements Companion {
  readonly #context: CompanionContext;
  readonly #settings: MaintenanceSettings;
  readonly #compactor: Compactor;
  readonly #keeper: Keeper;
  readonly #troubles: Troubles;
  readonly #findings: LevelFindings;
  readonly #works: readonly Work[];
  readonly #tasks = new Map<Work, ScheduledTask>();
  /** Works of one replica follow each other: they read what the others write. */
  readonly #turn = new Semaphore(1);
  /** Came while the replica had not said where it is, or the database was about to open. */
  readonly #owed = new Set<Work>();
  /** Begin as soon as their budgets allow. */
  readonly #coming = new Set<Work>();
  readonly #holds = new Set<{ readonly maxTXID: TXID }>();
  readonly #compactedAt: Record<number, number> = {};
  #snapshotAt: number | undefined;
  #retentionAt: number | undefined;
  /** Monotonic ms of the last pass over level 0 that asked the replica. */
  #level0At = Number.NEGATIVE_INFINITY;
  #validated = '';
  /** Files that this process has added or deleted. */
  #changes = 0;

  constructor(context: CompanionContext, settings: MaintenanceSettings) {
    this.#context = context;
    this.#settings = settings;
    this.#troubles = new Troubles(context.clock, context.log);
    this.#findings = new LevelFindings(context, this.#troubles);
    this.#compactor = new Compactor(context, settings, {
      onFile: () => {
        this.#changes += 1;
      },
      onChecked: (level, found) => this.#findings.checked(level, found),
    });
    this.#keeper = new Keeper({
      replica: context.replica.replica,
      settings,
      clock: context.clock,
      protections: () => this.#protections(),
      onDeleted: (files) => {
        this.#changes += files;
        if (files > 0) context.count('retention_deleted_files', files);
      },
    });
    this.#works = this.#plan();
    companions.set(context.replica, this);
  }

  start(): void {
    const { scheduler, database, replica } = this.#context;
    for (const work of this.#works) {
      const name = `${work.of} of ${database.settings.name}/${replica.settings.name}`;
      const { intervalMs, budget } = work;
      this.#tasks.set(
        work,
        scheduler.every({
          name,
          intervalMs,
          budget,
          atStart: true,
          isNeeded: () => !this.#isAtRest(work),
          run: (signal) => this.#tick(work, signal),
        }),
      );
    }
  }

  async stop(): Promise<void> {
    const tasks = [...this.#tasks.values()];
    this.#tasks.clear();
    await Promise.all(tasks.map((task) => task.stop()));
    companions.delete(this.#context.replica);
  }

  facts(): CompanionFacts {
    const troubles = this.#troubles.all;
    return {
      maintenance: {
        compactedAt: { ...this.#compactedAt },
        ...(this.#snapshotAt === undefined ? {} : { snapshotAt: this.#snapshotAt }),
        ...(this.#retentionAt === undefined ? {} : { retentionAt: this.#retentionAt }),
      },
      ...(troubles.length === 0 ? {} : { troubles }),
    };
  }

  /** Until the returned function is called, nothing is deleted that a chain to `maxTXID` may consist of: for a restore or a verification of this process. */
  hold(maxTXID: TXID): () => void {
    const hold = { maxTXID };
    this.#holds.add(hold);
    return () => void this.#holds.delete(hold);
  }

  /** Runs `work` while nothing is merged or deleted at the replica. */
  exclusively<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#turn.run(work, signal);
  }

  /**
   * Does everything that may be done now, whatever the schedule says; unforced: what the periods that run have not seen yet. Rejects with
   * the first failure, after everything was tried; NOT_REPLICATED while uploads do not work.
   */
  async runAll(signal: AbortSignal, { isForced = true }: { readonly isForced?: boolean } = {}): Promise<void> {
    this.#expectReady();
    const failures: unknown[] = [];
    for (const work of this.#works) {
      await this.#turn.run(() => this.#attempt(work, isForced, signal), signal).catch((error: unknown) => failures.push(error));
      signal.throwIfAborted();
    }
    if (failures.length > 0) throw failures[0];
  }

  #plan(): Work[] {
    const { levels, snapshotIntervalMs, retentionCheckMs, level0CheckMs, level0RetentionMs, deletes, validationMs } = this.#settings;
    const works: Work[] = levels
      .filter(({ level }) => this.#compactor.canMerge(level))
      .map((settings) => ({
        of: `compaction of level ${settings.level}`,
        intervalMs: settings.intervalMs,
        budget: 'compaction',
        run: (isForced, signal) => this.#compact(settings, isForced, signal),
        isSettled: () => this.#isMerged(settings.level),
      }));
    works.push({
      of: SNAPSHOT,
      intervalMs: snapshotIntervalMs,
      budget: 'snapshot',
      run: (isForced, signal) => this.#snapshot(isForced, signal),
    });
    if (deletes && levels.length > 0 && level0RetentionMs > 0) {
      works.push({
        of: LEVEL0,
        intervalMs: level0CheckMs,
        budget: 'listing',
        run: (isForced, signal) => this.#retainLevel0(isForced, signal),
        isSettled: () => this.#isRetained(),
      });
    }
    if (deletes) {
      const intervalMs = retentionCheckMs ?? snapshotIntervalMs;
      works.push({ of: 'retention', intervalMs, budget: 'listing', run: (_, signal) => this.#retain(signal) });
    }
    if (validationMs !== undefined) {
      works.push({
        of: 'validation',
        intervalMs: validationMs,
        budget: 'listing',
        run: (isForced, signal) => this.#validate(isForced, signal),
      });
    }
    // Else whatever is due sooner brings it forward.
    if (works.every(({ intervalMs }) => intervalMs > PUT_OFF_MS))
      works.push({ of: PUT_OFF, intervalMs: PUT_OFF_MS, budget: 'listing', run: async () => {} });
    return works;
  }

  #isAtRest(work: Work): boolean {
    return this.#owed.size === 0 && this.#troubles.isEmpty && work.isSettled?.() === true;
  }

  #isMerged(level: Level): boolean {
    if (!this.#compactor.isSettled(level)) return false;
    this.#compactedAt[level] = this.#context.clock.now();
    return true;
  }

  #isRetained(): boolean {
    if (!this.#keeper.isSettled('level 0', this.#level0State)) return false;
    this.#retentionAt = this.#context.clock.now();
    return true;
  }

  /** What the schedule asks for; failures are told, and tried again when something else is due. */
  async #tick(work: Work, signal: AbortSignal): Promise<void> {
    this.#coming.delete(work);
    if (!this.#isReady() || (work.of === SNAPSHOT && (await this.#compactor.isOpening()))) {
      if (work.of !== PUT_OFF) this.#owed.add(work);
      return;
    }
    this.#owed.delete(work);
    // Told by `#attempt`.
    await this.#turn.run(() => this.#attempt(work, false, signal), signal).catch(() => {});
    if (!signal.aborted) this.#bringForward(work);
  }

  /** What was put off, each within its own budget. */
  #bringForward(done: Work): void {
    for (const [work, task] of this.#tasks) {
      if (work === done || this.#coming.has(work)) continue;
      if (!this.#owed.has(work) && !this.#troubles.isRetryDue(work.of)) continue;
      this.#coming.add(work);
      void task.runNow();
    }
  }

  async #attempt(work: Work, isForced: boolean, signal: AbortSignal): Promise<void> {
    try {
      await work.run(isForced, signal);
      this.#troubles.isOver(work.of);
    } catch (error) {
      signal.throwIfAborted();
      // What was known may be why it failed.
      this.#compactor.ledger.forget();
      this.#keeper.forgetUpper();
      this.#troubles.stands(work.of, error);
      throw error;
    }
  }

  /** While the uploads fail, or somebody else has what should be ours, the replica is left as it is. */
  #isReady(): boolean {
    const { replica } = this.#context;
    const { lastError, lease } = replica.status();
    return replica.position !== undefined && lastError === undefined && (lease === undefined || lease.state === 'held');
  }

  #expectReady(): void {
    const { replica } = this.#context;
    if (this.#isReady()) return;
    const { lastError, lease } = replica.status();
    const silent = lease === undefined || lease.state === 'held' ? 'it has not said where it is' : 'its lease is not ours';
    const reason = lastError === undefined ? silent : `${lastError.error.code}: ${lastError.error.message}`;
    throw new LitestreamError(
      'NOT_REPLICATED',
      `maintaining ${replica.settings.name}: nothing is changed there while uploads do not work: ${reason}`,
      {
        hint: 'Look at `litestream status`.',
      },
    );
  }

  async #compact(settings: MaintenanceSettings['levels'][number], isForced: boolean, signal: AbortSignal): Promise<void> {
    try {
      const hasMerged = await this.#compactor.level(settings, isForced, signal);
      while (isForced && hasMerged && (await this.#compactor.level(settings, isForced, signal)));
      this.#compactedAt[settings.level] = this.#context.clock.now();
      if (!hasMerged || settings.level !== 1) return;
    } catch (error) {
      if (!signal.aborted) this.#context.count('compaction_failures');
      throw error;
    }
    const next = this.#works.find(({ of }) => of === LEVEL0);
    // Told by `#attempt`, as its own trouble.
    if (next !== undefined) await this.#attempt(next, false, signal).catch(() => {});
  }

  async #snapshot(isForced: boolean, signal: AbortSignal): Promise<void> {
    if (await this.#compactor.snapshot(isForced, signal)) this.#snapshotAt = this.#context.clock.now();
    if (this.#settings.deletes) await this.#retain(signal);
  }

  /** A pass after every other merge is enough while there are merges: more would list two levels for a part of the same files. */
  async #retainLevel0(isForced: boolean, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const { intervalMs = 0 } = this.#settings.levels.find(({ level }) => level === 1) ?? {};
    if (!isForced && clock.monotonic() - this.#level0At < intervalMs * PASS_EVERY) return;
    const hasAsked = await this.#keeper.pass('level 0', this.#level0State, signal);
    if (hasAsked) this.#level0At = clock.monotonic();
    this.#retentionAt = this.#context.clock.now();
  }

  async #retain(signal: AbortSignal): Promise<void> {
    await this.#keeper.pass('snapshots', `${this.#compactor.ledger.end(SNAPSHOT_LEVEL)} ${this.#heldUpTo()}`, signal);
    this.#retentionAt = this.#context.clock.now();
  }

  async #validate(isForced: boolean, signal: AbortSignal): Promise<void> {
    const state = `${this.#context.replica.position} ${this.#changes}`;
    if (!isForced && state === this.#validated) return;
    const found = checkLevels(await this.#compactor.listAll(signal));
    for (const level of LEVELS)
      this.#findings.checked(
        level,
        found.filter((one) => one.level === level),
      );
    this.#validated = state;
  }

  #protections(): Protections {
    const { proof } = this.#context.replica.status();
    const proven = [proof?.lastPassed?.txid, proof?.outcome === 'passed' ? proof.txid : undefined];
    return { txids: proven.filter((txid) => txid !== undefined), heldUpTo: this.#heldUpTo() };
  }

  /** What a pass over level 0 depends on. */
  get #level0State(): string {
    return `${this.#compactor.ledger.end(1)} ${this.#heldUpTo()}`;
  }

  #heldUpTo(): TXID {
    return [...this.#holds].reduce<TXID>((most, { maxTXID }) => (maxTXID > most ? maxTXID : most), NO_TXID);
  }
}
