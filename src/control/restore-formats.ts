/** Chooses between LTX files and data of version 0.3 of one replica, by what each would really restore (docs/engine.md, Version 0.3 data). Pure. */

import { hasCode, LitestreamError } from '../base/errors.ts';
import { type LegacyPlan, type LegacyTarget, planLegacy } from '../engine/legacy/plan.ts';
import { planRestore, type RestorePlan } from '../engine/restore/plan.ts';
import { newestTime } from '../engine/restore/points.ts';
import type { RestoreTarget } from '../engine/restore/target.ts';
import type { FileInfo } from '../replica/file-info.ts';
import { type LegacyListing, newestLegacyTime } from '../replica/legacy/listing.ts';
import { formatInstant } from './moment.ts';

/** A plan in one of the two formats. */
export type FormatPlan =
  | { readonly format: 'ltx'; readonly plan: RestorePlan; readonly formatReason?: string }
  | { readonly format: 'v3'; readonly plan: LegacyPlan; readonly formatReason?: string };

export interface FormatQuestion {
  /** `any`: whichever comes nearest to the target. */
  readonly format: 'ltx' | 'v3' | 'any';
  readonly target: RestoreTarget;
  readonly legacyTarget: LegacyTarget;
  /** One generation of version 0.3. */
  readonly generation?: string;
}

type Attempt<P> = { readonly plan: P } | { readonly error: unknown };

/**
 * The plan that reaches the later moment; between equals LTX. Where only one format holds anything, that one.
 *
 * A format that cannot be planned is passed over only when nothing newer than the other's plan could be in it: otherwise its own error is
 * thrown, because quietly restoring older data would lose what was asked for.
 */
export function chooseFormat(files: readonly FileInfo[], legacy: LegacyListing, question: FormatQuestion): FormatPlan {
  const { format, target, legacyTarget, generation } = question;
  if (format === 'v3') return { format, plan: planLegacy(legacy, legacyTarget, generation) };
  if (format === 'ltx' || legacy.generations.length === 0) return { format: 'ltx', plan: planRestore(files, target) };
  if (files.length === 0) return { format: 'v3', plan: planLegacy(legacy, legacyTarget), formatReason: 'the replica holds no LTX files' };
  const ltx = attempt(() => planRestore(files, target));
  const old = attempt(() => planLegacy(legacy, legacyTarget));
  if ('plan' in ltx && 'plan' in old) return later(ltx.plan, old.plan);
  if ('plan' in ltx) {
    const newest = Math.max(...legacy.generations.map(newestLegacyTime));
    if ('error' in old && isDamage(old.error) && newest > ltx.plan.reached.time)
      throw withWayOut(old.error, '-generation ltx restores the LTX files.');
    return { format: 'ltx', plan: ltx.plan, formatReason: 'the data of version 0.3 holds nothing for this target' };
  }
  if ('plan' in old) {
    const wayOut = `-generation ${old.plan.generation} restores the data of version 0.3.`;
    if (isDamage(ltx.error) && newestTime(files) > old.plan.reached.time) throw withWayOut(ltx.error, wayOut);
    return { format: 'v3', plan: old.plan, formatReason: 'the LTX files hold nothing for this target' };
  }
  throw ltx.error;
}

function later(ltx: RestorePlan, old: LegacyPlan): FormatPlan {
  const [ltxTime, oldTime] = [formatInstant(ltx.reached.time), formatInstant(old.reached.time)];
  if (old.reached.time > ltx.reached.time) {
    return { format: 'v3', plan: old, formatReason: `the data of version 0.3 reaches ${oldTime}, the LTX files ${ltxTime}` };
  }
  return { format: 'ltx', plan: ltx, formatReason: `the LTX files reach ${ltxTime}, the data of version 0.3 ${oldTime}` };
}

/** A target outside of the range is an answer; anything else hides data. */
const isDamage = (error: unknown): boolean => !hasCode(error, 'TIME_OUT_OF_RANGE');

function withWayOut(error: unknown, wayOut: string): unknown {
  if (!(error instanceof LitestreamError)) return error;
  const { code, message, details, hint } = error;
  return new LitestreamError(code, message, {
    cause: error.cause,
    ...(details === undefined ? {} : { details }),
    hint: hint === undefined ? wayOut : `${hint} ${wayOut}`,
  });
}

function attempt<P>(plan: () => P): Attempt<P> {
  try {
    return { plan: plan() };
  } catch (error) {
    return { error };
  }
}
