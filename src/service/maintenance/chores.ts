/** Does the works of one replica: what each consists of, and when it has nothing to do. */

import { checkLevels } from '../../engine/compaction/level-check.ts';
import type { Protections } from '../../engine/compaction/retention-plan.ts';
import type { LevelSettings, MaintenanceSettings } from '../../engine/options.ts';
import { NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import { LEVELS, SNAPSHOT_LEVEL } from '../../replica/file-info.ts';
import type { CompanionContext } from '../companions/companion.ts';
import type { CompanionFacts } from '../service.ts';
import { Compactor } from './compactor.ts';
import { Keeper } from './keeper.ts';
import { LevelFindings } from './level-findings.ts';
import type { Work } from './plan.ts';
import type { Troubles } from './troubles.ts';

/** Level 0 is passed at most this often, in intervals of level 1: after every other merge, whichever moment of the interval that takes. */
const PASS_EVERY = 1.5;

interface Hold {
  readonly maxTXID: TXID;
}

export class Chores {
  readonly #context: CompanionContext;
  readonly #settings: MaintenanceSettings;
  readonly #compactor: Compactor;
  readonly #keeper: Keeper;
  readonly #findings: LevelFindings;
  /** Replaced by another list at every change: mostly there are none. */
  #holds: readonly Hold[] = [];
  #snapshotAt: number | undefined;
  #retentionAt: number | undefined;
  /** Monotonic ms of the last pass over level 0 that asked the replica. */
  #level0At = Number.NEGATIVE_INFINITY;
  #validated = '';
  /** Files that this process has added or deleted. */
  #changes = 0;

  constructor(context: CompanionContext, settings: MaintenanceSettings, troubles: Troubles) {
    this.#context = context;
    this.#settings = settings;
    this.#findings = new LevelFindings(context, troubles);
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
  }

  facts(): Pick<NonNullable<CompanionFacts['maintenance']>, 'snapshotAt' | 'retentionAt'> {
    return {
      ...(this.#snapshotAt === undefined ? {} : { snapshotAt: this.#snapshotAt }),
      ...(this.#retentionAt === undefined ? {} : { retentionAt: this.#retentionAt }),
    };
  }

  /** Until the returned function is called, nothing is deleted that a chain to `maxTXID` may consist of. */
  hold(maxTXID: TXID): () => void {
    const hold = { maxTXID };
    this.#holds = [...this.#holds, hold];
    return () => {
      this.#holds = this.#holds.filter((one) => one !== hold);
    };
  }

  /** By what is known there is nothing to do: thousands of replicas at rest are asked this, many a second. */
  isSettled(work: Work): boolean {
    if (work.kind === 'level') return this.#compactor.isSettled(work.level.level);
    return work.kind === 'level 0' && this.#keeper.isSettled('level 0', this.#level0State);
  }

  /** The engine is about to open, and makes a better snapshot than could be had now. */
  isEngineOpening(): Promise<boolean> {
    return this.#compactor.isOpening();
  }

  /**
   * @param isForced also what was done in this period already.
   * @returns true when files of level 0 may go for it.
   */
  async run(work: Work, isForced: boolean, signal: AbortSignal): Promise<boolean> {
    switch (work.kind) {
      case 'level':
        return (await this.#compact(work.level, isForced, signal)) && work.level.level === 1;
      case 'snapshot':
        await this.#snapshot(isForced, signal);
        return false;
      case 'level 0':
        await this.#retainLevel0(isForced, signal);
        return false;
      case 'retention':
        await this.#retain(signal);
        return false;
      case 'validation':
        await this.#validate(isForced, signal);
        return false;
    }
  }

  /** Lets go of what nobody would go by any more. */
  tidy(): void {
    this.#keeper.tidy();
  }

  /** Something failed, and what was known may be why. */
  forget(): void {
    this.#compactor.ledger.forget();
    this.#keeper.forgetUpper();
  }

  async #compact(settings: LevelSettings, isForced: boolean, signal: AbortSignal): Promise<boolean> {
    try {
      const hasMerged = await this.#compactor.level(settings, isForced, signal);
      while (isForced && hasMerged && (await this.#compactor.level(settings, isForced, signal)));
      return hasMerged;
    } catch (error) {
      if (!signal.aborted) this.#context.count('compaction_failures');
      throw error;
    }
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
    this.#retentionAt = clock.now();
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
    return this.#holds.reduce<TXID>((most, { maxTXID }) => (maxTXID > most ? maxTXID : most), NO_TXID);
  }
}
