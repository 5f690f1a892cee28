/** What several replicas are good for in one restore: the cheapest of equals, copies of what one has damaged, states none holds alone (docs/engine.md, Several replicas). */

import { LitestreamError } from '../base/errors.ts';
import type { RestoreAlternates } from '../engine/jobs.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { planRestore, type RestorePlan } from '../engine/restore/plan.ts';
import { PlanChoice } from '../engine/restore/plan-choice.ts';
import { SeveralSources, type SourceReport } from '../engine/restore/several-sources.ts';
import type { RestoreTarget } from '../engine/restore/target.ts';
import { Stopwatch } from '../engine/restore/time-shares.ts';
import type { TXID } from '../formats/ltx/txid.ts';
import type { FileInfo } from '../replica/file-info.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { Warning } from './fields.ts';
import type { World } from './world.ts';

/** The replicas of a choice beside the chosen one. */
export interface Alternates {
  readonly alternates: readonly ReplicaSettings[];
  /** No replica leads to the state alone; the plan takes from all of them. */
  readonly combined?: true;
}

export const NO_ALTERNATES: Alternates = { alternates: [] };

interface Candidate {
  readonly replica: ReplicaSettings;
  readonly plan: { readonly totals: { readonly bytes: number } };
}

/** True when `a` is the cheaper way to the same state: on this machine, or with fewer bytes. */
export function isCheaper(a: Candidate, b: Candidate): boolean {
  const [aIsHere, bIsHere] = [a.replica.store.type === 'file', b.replica.store.type === 'file'];
  if (aIsHere !== bIsHere) return aIsHere;
  return a.plan.totals.bytes < b.plan.totals.bytes;
}

interface Listed {
  readonly replica: ReplicaSettings;
  readonly files: readonly FileInfo[];
}

export interface Combination extends Alternates {
  readonly replica: ReplicaSettings;
  readonly plan: RestorePlan;
  readonly newest: TXID;
  readonly warnings: readonly Warning[];
}

/**
 * A plan over the files of all replicas, when that reaches further than `reached`, the best of one alone. Undefined when it does not. Throws,
 * with the reason, when the replicas cannot be shown to hold one history.
 */
export async function combineReplicas(
  world: World,
  entry: DatabaseEntry,
  {
    listings,
    target,
    reached,
    signal,
  }: { listings: readonly Listed[]; target: RestoreTarget; reached: TXID | undefined; signal: AbortSignal },
): Promise<Combination | undefined> {
  if (!reachesBeyond(listings, target, reached)) return undefined;
  const source = new SeveralSources({
    sources: listings.map(({ replica }) => ({ name: replica.name, open: () => world.replicas.get(entry, replica) })),
    combine: true,
  });
  const stopwatch = new Stopwatch(() => world.clock.monotonic());
  const plan = await new PlanChoice({ target }, { source, stopwatch, signal }).next();
  if (reached !== undefined && plan.reached.txid <= reached) return undefined;
  const { taken } = source.report(plan);
  // The one that gives most stands first: where files can be had from several, it is asked.
  const [most] = [...taken].sort((a, b) => b.bytes - a.bytes);
  const chosen = listings.find(({ replica }) => replica.name === most?.from) ?? listings[0];
  if (chosen === undefined) return undefined;
  const names = taken.map(({ from, files }) => `${files} from ${from}`).join(', ');
  return {
    replica: chosen.replica,
    plan,
    newest: plan.reached.txid,
    combined: true,
    alternates: listings.map(({ replica }) => replica).filter((replica) => replica !== chosen.replica),
    warnings: [{ code: 'COMBINED', message: `no replica leads to this state alone; files are put together: ${names}` }],
  };
}

function reachesBeyond(listings: readonly Listed[], target: RestoreTarget, reached: TXID | undefined): boolean {
  if (listings.filter(({ files }) => files.length > 0).length < 2) return false;
  try {
    const plan = planRestore(
      listings.flatMap(({ files }) => files),
      target,
    );
    return reached === undefined || plan.reached.txid > reached;
  } catch (error) {
    if (error instanceof LitestreamError) return false;
    throw error;
  }
}

/** Why a better state was left aside: said beside the one that is taken instead. */
export function notCombined(error: unknown): Warning[] {
  if (!(error instanceof LitestreamError) || error.code === 'INTERNAL') throw error;
  return [{ code: 'NOT_COMBINED', message: `a newer state lies in several replicas, and cannot be put together: ${error.message}` }];
}

/** What a restore job is told of the other replicas. */
export function jobAlternates(replica: ReplicaSettings, { alternates, combined }: Alternates): RestoreAlternates {
  const others = alternates.map(({ name, store }) => ({ name, store }));
  return { name: replica.name, alternates: others, ...(combined === undefined ? {} : { combine: true }) };
}

/** What came from where, when that is worth saying. */
export function sourceWarnings(sources: SourceReport | undefined, chosen: string): Warning[] {
  if (sources === undefined) return [];
  const { taken, discarded } = sources;
  const isPlain = discarded.length === 0 && taken.every(({ from }) => from === chosen);
  if (isPlain) return [];
  const given = taken.map(({ from, files }) => `${files} ${files === 1 ? 'file' : 'files'} from ${from}`).join(', ');
  const damaged = discarded.map(({ from, file, code }) => ({
    code: 'FILE_DAMAGED',
    message: `${file} at ${from} could not be used (${code})`,
  }));
  const mended = damaged.length === 0 ? [] : [{ code: 'REPAIR', message: 'litestream repair copies whole files over damaged ones' }];
  return [{ code: 'SEVERAL_REPLICAS', message: `planned: ${given}` }, ...damaged, ...mended];
}
