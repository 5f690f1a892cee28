/** Which works the settings of a replica ask for, and how often each is due (docs/engine.md, Levels). */

import type { LevelSettings, MaintenanceSettings } from '../../engine/options.ts';
import type { Budget } from '../schedule/scheduler.ts';

interface Due {
  /** For names and troubles. */
  readonly of: string;
  readonly intervalMs: number;
  readonly budget: Budget;
}

export interface LevelWork extends Due {
  readonly kind: 'level';
  readonly level: LevelSettings;
}

/** One kind of work on a replica. */
export type Work = LevelWork | (Due & { readonly kind: 'snapshot' | 'level 0' | 'retention' | 'validation' });

/** The members of a directory have the same settings. */
const plans = new WeakMap<MaintenanceSettings, readonly Work[]>();

/**
 * The order of the list is the order in which they profit from each other.
 *
 * @param canRead false: without an identity only what is in the local log can be merged.
 */
export function planWorks(settings: MaintenanceSettings, canRead: boolean): readonly Work[] {
  const works = plans.get(settings) ?? allWorks(settings);
  plans.set(settings, works);
  return canRead ? works : works.filter((work) => work.kind !== 'level' || work.level.level === 1);
}

function allWorks(settings: MaintenanceSettings): Work[] {
  const { levels, snapshotIntervalMs, retentionCheckMs, level0CheckMs, level0RetentionMs, deletes, validationMs } = settings;
  const works: Work[] = levels.map((level) => ({
    kind: 'level',
    of: `compaction of level ${level.level}`,
    intervalMs: level.intervalMs,
    budget: 'compaction',
    level,
  }));
  works.push({ kind: 'snapshot', of: 'snapshot', intervalMs: snapshotIntervalMs, budget: 'snapshot' });
  if (deletes && levels.length > 0 && level0RetentionMs > 0)
    works.push({ kind: 'level 0', of: 'level-0 retention', intervalMs: level0CheckMs, budget: 'listing' });
  if (deletes) works.push({ kind: 'retention', of: 'retention', intervalMs: retentionCheckMs ?? snapshotIntervalMs, budget: 'listing' });
  if (validationMs !== undefined) works.push({ kind: 'validation', of: 'validation', intervalMs: validationMs, budget: 'listing' });
  return works;
}
