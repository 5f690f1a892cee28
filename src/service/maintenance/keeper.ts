/** Deletes what has outlived its use at one replica, and knows when there may be something again (docs/engine.md, Retention). */

import type { Clock } from '../../base/clock.ts';
import { deleteFiles } from '../../engine/compaction/delete-files.ts';
import { type Protections, planRetention, type RetentionFacts, type RetentionPlan } from '../../engine/compaction/retention-plan.ts';
import type { MaintenanceSettings } from '../../engine/options.ts';
import { NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import { listLevel } from '../../replica/list-level.ts';
import type { Replica } from '../../replica/replica.ts';

type Scope = RetentionFacts['scope'];

export interface KeeperOptions {
  readonly replica: Replica;
  readonly settings: MaintenanceSettings;
  readonly clock: Clock;
  readonly protections: () => Protections;
  readonly onDeleted: (files: number) => void;
}

/** The levels above 0 are listed anew for a level-0 pass when what is known of them is older than this, ms. */
const UPPER_MAX_AGE = 600_000;
/** More files than this are not kept in memory between passes. */
const MOST_KEPT = 8000;

interface Due {
  /** ms since the epoch; undefined: when something changes. */
  readonly at: number | undefined;
  /** What was there when it was found. */
  readonly state: string;
}

export class Keeper {
  readonly #options: KeeperOptions;
  #dueInLevel0: Due | undefined;
  #dueSnapshots: Due | undefined;
  #upper: { readonly files: readonly FileInfo[]; readonly at: number } | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /**
   * Deletes what is due. Without need there is no request: nothing has come of age, and `state` is that of the last pass.
   *
   * Every listing is whole or the pass ends with its error. Throws what deleting reported, after everything that could be deleted is.
   *
   * @param state names what a pass of this scope depends on; a pass that left something undone is repeated in any case.
   * @returns true when the replica was asked.
   */
  async pass(scope: Scope, state: string, signal: AbortSignal): Promise<boolean> {
    if (this.isSettled(scope, state)) return false;
    this.#setDue(scope, undefined);
    const plan = scope === 'level 0' ? await this.#planLevel0(signal) : await this.#planSnapshots(signal);
    if (plan.doomed.length > 0) await this.#delete(plan.doomed, signal);
    this.#setDue(scope, { state, at: plan.nextAt });
    return true;
  }

  /** Nothing has come of age, and `state` is that of the last pass. */
  isSettled(scope: Scope, state: string): boolean {
    const due = scope === 'level 0' ? this.#dueInLevel0 : this.#dueSnapshots;
    return due?.state === state && (due.at === undefined || this.#options.clock.now() <= due.at);
  }

  /** Something unexpected was met, or files of levels 1 to 9 go. That some come leaves what is known of the others as true as it was. */
  forgetUpper(): void {
    this.#upper = undefined;
  }

  /** What is too old to be believed takes no room until the next pass. */
  tidy(): void {
    if (this.#knownUpper() === undefined) this.forgetUpper();
  }

  #setDue(scope: Scope, due: Due | undefined): void {
    if (scope === 'level 0') this.#dueInLevel0 = due;
    else this.#dueSnapshots = due;
  }

  async #planLevel0(signal: AbortSignal): Promise<RetentionPlan> {
    const { replica } = this.#options;
    // Level 0 first: what is merged meanwhile is then seen twice rather than not at all.
    const level0 = await listLevel(replica, 0, { signal });
    const known = this.#knownUpper();
    if (known !== undefined) return this.#plan('level 0', [...level0, ...(await this.#upperOver(known, level0, signal))]);
    const plan = this.#plan('level 0', [...level0, ...(await listLevel(replica, 1, { signal }))]);
    if (plan.doomed.length === 0) return plan;
    return this.#plan('level 0', [...level0, ...(await this.#listUpper(signal))]);
  }

  async #planSnapshots(signal: AbortSignal): Promise<RetentionPlan> {
    const level0 = await listLevel(this.#options.replica, 0, { signal });
    return this.#plan('snapshots', [...level0, ...(await this.#listUpper(signal))]);
  }

  #plan(scope: Scope, files: readonly FileInfo[]): RetentionPlan {
    const { settings, clock, protections } = this.#options;
    return planRetention({ files, settings, now: clock.now(), protections: protections(), scope });
  }

  /** Levels 1 to 9 as they are known, but what of level 1 may stand for files of level 0 as it is now. */
  async #upperOver(known: readonly FileInfo[], [oldest]: readonly FileInfo[], signal: AbortSignal): Promise<readonly FileInfo[]> {
    if (oldest === undefined) return known;
    const seek = firstOver(known, oldest.minTXID);
    const others = known.filter(({ level, minTXID }) => level !== 1 || minTXID < seek);
    return [...others, ...(await listLevel(this.#options.replica, 1, { seek, signal }))];
  }

  #knownUpper(): readonly FileInfo[] | undefined {
    const known = this.#upper;
    return known !== undefined && this.#options.clock.monotonic() - known.at < UPPER_MAX_AGE ? known.files : undefined;
  }

  async #listUpper(signal: AbortSignal): Promise<readonly FileInfo[]> {
    const { replica, clock } = this.#options;
    this.forgetUpper();
    const files: FileInfo[] = [];
    for await (const file of replica.listAll({ from: 1, signal })) files.push(file);
    if (files.length <= MOST_KEPT) this.#upper = { files, at: clock.monotonic() };
    return files;
  }

  async #delete(doomed: readonly FileInfo[], signal: AbortSignal): Promise<void> {
    if (doomed.some(({ level }) => level > 0)) this.forgetUpper();
    const { deleted, error } = await deleteFiles(this.#options.replica, doomed, signal);
    this.#options.onDeleted(deleted.length);
    if (error !== undefined) throw error;
  }
}

/** Where the files of level 1 begin that may hold `txid` or what comes after it, among them those that were added since `known` was listed. */
function firstOver(known: readonly FileInfo[], txid: TXID): TXID {
  const merged = known.filter(({ level }) => level === 1);
  const end = merged.reduce((most, { maxTXID }) => (maxTXID > most ? maxTXID : most), NO_TXID);
  const first = end < txid ? ((end + 1n) as TXID) : txid;
  return merged.reduce((least, { minTXID, maxTXID }) => (maxTXID >= txid && minTXID < least ? minTXID : least), first);
}
