/** Deletes what has outlived its use at one replica, and knows when there may be something again (docs/engine.md, Retention). */

import type { Clock } from '../../base/clock.ts';
import { deleteFiles } from '../../engine/compaction/delete-files.ts';
import { type Protections, planRetention, type RetentionFacts, type RetentionPlan } from '../../engine/compaction/retention-plan.ts';
import type { MaintenanceSettings } from '../../engine/options.ts';
import { type FileInfo, LEVELS } from '../../replica/file-info.ts';
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

/** Levels 2 to 9 are listed anew for the proof of a level-0 pass when what is known of them is older than this, ms. */
const UPPER_MAX_AGE = 600_000;
/** More files than this are not kept in memory between passes. */
const MOST_KEPT = 4000;

interface Due {
  /** ms since the epoch; absent: when something changes. */
  readonly at?: number;
  /** What was there when it was found. */
  readonly state: string;
}

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #due = new Map<Scope, Due>();
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
   */
  async pass(scope: Scope, state: string, signal: AbortSignal): Promise<void> {
    const due = this.#due.get(scope);
    if (due?.state === state && (due.at === undefined || this.#options.clock.now() <= due.at)) return;
    this.#due.delete(scope);
    const plan = scope === 'level 0' ? await this.#planLevel0(signal) : await this.#planSnapshots(signal);
    if (plan.doomed.length > 0) await this.#delete(plan.doomed, signal);
    this.#due.set(scope, { state, ...(plan.nextAt === undefined ? {} : { at: plan.nextAt }) });
  }

  /** Files of levels 2 to 9 have come or gone. */
  forgetUpper(): void {
    this.#upper = undefined;
  }

  async #planLevel0(signal: AbortSignal): Promise<RetentionPlan> {
    const { replica } = this.#options;
    // Level 0 first: what is merged meanwhile is then seen twice rather than not at all.
    const level0 = await listLevel(replica, 0, { signal });
    const near = [...level0, ...(await listLevel(replica, 1, { signal }))];
    const plan = this.#plan('level 0', near);
    if (plan.doomed.length === 0) return plan;
    return this.#plan('level 0', [...near, ...(await this.#listUpper(signal))]);
  }

  async #planSnapshots(signal: AbortSignal): Promise<RetentionPlan> {
    this.forgetUpper();
    const { replica } = this.#options;
    const level0 = await listLevel(replica, 0, { signal });
    const level1 = await listLevel(replica, 1, { signal });
    return this.#plan('snapshots', [...level0, ...level1, ...(await this.#listUpper(signal))]);
  }

  #plan(scope: Scope, files: readonly FileInfo[]): RetentionPlan {
    const { settings, clock, protections } = this.#options;
    return planRetention({ files, settings, now: clock.now(), protections: protections(), scope });
  }

  async #listUpper(signal: AbortSignal): Promise<readonly FileInfo[]> {
    const { replica, clock } = this.#options;
    const known = this.#upper;
    if (known !== undefined && clock.monotonic() - known.at < UPPER_MAX_AGE) return known.files;
    const files: FileInfo[] = [];
    for (const level of LEVELS.slice(2)) files.push(...(await listLevel(replica, level, { signal })));
    this.#upper = files.length > MOST_KEPT ? undefined : { files, at: clock.monotonic() };
    return files;
  }

  async #delete(doomed: readonly FileInfo[], signal: AbortSignal): Promise<void> {
    if (doomed.some(({ level }) => level > 1)) this.forgetUpper();
    const { deleted, error } = await deleteFiles(this.#options.replica, doomed, signal);
    this.#options.onDeleted(deleted.length);
    if (error !== undefined) throw error;
  }
}
