/** Chooses what a restore would read: the target asked for, the replica that serves it best, the files. Reads listings only. */

import { hasCode, LitestreamError } from '../base/errors.ts';
import type { LegacyTarget } from '../engine/legacy/plan.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { LATEST } from '../engine/restore/target.ts';
import { formatTXID, parseTXID, type TXID, toTXID } from '../formats/ltx/txid.ts';
import { isLegacyGeneration, legacyHex } from '../formats/v3/names.ts';
import type { FileInfo } from '../replica/file-info.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { Warning } from './fields.ts';
import { listReplicas } from './listings.ts';
import { formatInstant, parseMoment } from './moment.ts';
import { otherWriterWarnings } from './other-writer.ts';
import { readableListings } from './readable.ts';
import { chooseFormat, type FormatPlan, type FormatQuestion } from './restore-formats.ts';
import { withOthers } from './restore-help.ts';
import { type Alternates, type Combination, combineReplicas, isCheaper, NO_ALTERNATES, notCombined } from './restore-sources.ts';
import type { PlanInput, PlanOut } from './verbs/restore-schema.ts';
import type { World } from './world.ts';

export interface Asked extends FormatQuestion {
  /** Repeated to the caller in absolute terms. */
  readonly shown: PlanOut['asked'];
}

/** A replica, a format, and the plan in it. */
export type Choice = ChoiceFacts & FormatPlan;

interface ChoiceFacts extends Alternates {
  readonly entry: DatabaseEntry;
  readonly asked: Asked;
  readonly replica: ReplicaSettings;
  /** The caller named it: no other one is asked. */
  readonly isNamed: boolean;
  /** Newest TXID over all files of this replica. */
  readonly newest: TXID;
  /** Listing times are the transactions' own. */
  readonly exactTimes: boolean;
  readonly warnings: readonly Warning[];
}

const LATEST_LEGACY: LegacyTarget = { type: 'latest' };
const DEFAULT_SHORTFALL_SECONDS = 60;

/** What the arguments ask for. USAGE when they contradict each other. */
export function askedFor(args: PlanInput, now: number): Asked {
  const lineage = lineageOf(args.generation);
  const given = (['timestamp', 'txid', 'index'] as const).filter((name) => args[name] !== undefined);
  if (given.length > 1) {
    throw new LitestreamError('USAGE', `${given.join(', ')}: only one of them can say which moment is meant`, {
      details: { argument: given[1] },
    });
  }
  if (args.timestamp !== undefined) {
    const timestamp = parseMoment(args.timestamp, now, 'timestamp');
    const target = { type: 'timestamp', timestamp } as const;
    return { ...lineage, target, legacyTarget: target, shown: { timestamp: formatInstant(timestamp) } };
  }
  if (lineage.format === 'v3') return { ...lineage, target: LATEST, ...legacyAsked(args) };
  const txid = args.txid !== undefined ? parseTXID(args.txid) : args.index !== undefined ? toTXID(args.index) : undefined;
  return txid === undefined
    ? { ...lineage, target: LATEST, legacyTarget: LATEST_LEGACY, shown: {} }
    : { format: 'ltx', target: { type: 'txid', txid }, legacyTarget: LATEST_LEGACY, shown: { txid: formatTXID(txid) } };
}

/** Data of version 0.3 knows no transactions; an index is the number of a WAL there. */
function legacyAsked({ generation = '', txid, index }: PlanInput): Pick<Asked, 'legacyTarget' | 'shown'> {
  if (txid !== undefined) {
    throw new LitestreamError('USAGE', `generation ${generation} is of version 0.3, which knows no transactions`, {
      details: { argument: 'txid' },
      hint: 'Give timestamp, or index, the number of a WAL.',
    });
  }
  if (index === undefined) return { legacyTarget: LATEST_LEGACY, shown: {} };
  return { legacyTarget: { type: 'index', index }, shown: { wal_index: legacyHex(index) } };
}

/**
 * The replica that comes nearest to the target, the cheaper one between equals, then the one configured first; all together where that leads
 * further. With the name of a replica only that one. Throws what planning and listing throw.
 */
export async function chooseRestore(
  world: World,
  entry: DatabaseEntry,
  { args, asked, signal }: { readonly args: PlanInput; readonly asked: Asked; readonly signal: AbortSignal },
): Promise<Choice> {
  const exactTimes = asked.target.type === 'timestamp';
  const found = await listReplicas(world, { entry, replica: args.replica, signal, exactTimes, legacy: asked.format !== 'ltx' });
  const { listings, warnings, failures } = await readableListings(world, entry, found);
  const isNamed = args.replica !== undefined;
  const choices: Choice[] = [];
  const problems: unknown[] = [];
  for (const { replica, files, legacy } of listings) {
    try {
      const facts = { entry, asked, replica, isNamed, newest: newestOf(files), exactTimes, warnings, ...NO_ALTERNATES };
      choices.push({ ...facts, ...chooseFormat(files, legacy, asked) });
    } catch (error) {
      problems.push(error);
    }
  }
  const best = choices.reduce<Choice | undefined>((a, b) => (a === undefined || reachesFurther(b, a) ? b : a), undefined);
  const together = asked.format === 'v3' ? undefined : await tryTogether();
  if (together !== undefined && !Array.isArray(together)) {
    const choice = { entry, asked, isNamed, exactTimes, format: 'ltx' as const, ...together };
    return {
      ...choice,
      warnings: [...warnings, ...together.warnings, ...shortfallWarnings(choice, args), ...(await otherWriterWarnings(choice))],
    };
  }
  // A replica that could not be read may hold what the others lack: its error is the truer answer.
  if (best === undefined) {
    const problem = failures[0] ?? worstProblem(problems);
    throw args.replica === undefined ? problem : withOthers(problem, entry, { name: args.replica });
  }
  const others = args.replica === undefined ? listings.map(({ replica }) => replica).filter((replica) => replica !== best.replica) : [];
  return {
    ...best,
    alternates: others,
    warnings: [...warnings, ...(together ?? []), ...shortfallWarnings(best, args), ...(await otherWriterWarnings(best))],
  };

  async function tryTogether(): Promise<Combination | Warning[] | undefined> {
    const reached = best?.format === 'ltx' ? best.plan.reached.txid : undefined;
    if (args.replica !== undefined || (best !== undefined && reached === undefined)) return undefined;
    try {
      return await combineReplicas(world, entry, { listings, target: asked.target, reached, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (best === undefined) throw error;
      return notCombined(error);
    }
  }
}

/** What an operator's restore checks unless told: LTX files prove themselves by their checksums, data of version 0.3 has none over the whole database. */
export const defaultCheck = (format: Choice['format']): 'none' | 'quick' => (format === 'ltx' ? 'none' : 'quick');

/** True when every replica is readable and empty: there has never been a backup. */
export const isNoBackup = (error: unknown): boolean => hasCode(error, 'NO_SNAPSHOT') && error.details?.files === 0;

/** Times of different formats are comparable, transactions only inside one history. */
function reachesFurther(a: Choice, b: Choice): boolean {
  if (a.format === 'ltx' && b.format === 'ltx') {
    if (a.plan.reached.txid === b.plan.reached.txid) return isCheaper(a, b);
    return a.plan.reached.txid > b.plan.reached.txid;
  }
  return a.plan.reached.time > b.plan.reached.time;
}

function lineageOf(generation: string | undefined): Pick<Asked, 'format' | 'generation'> {
  if (generation === undefined) return { format: 'any' };
  if (generation === 'ltx') return { format: 'ltx' };
  if (isLegacyGeneration(generation)) return { format: 'v3', generation };
  throw new LitestreamError('NO_SNAPSHOT', `generation "${generation.slice(0, 40)}" is not one that can be restored`, {
    details: { argument: 'generation' },
    hint: 'Leave generation out, or take a restorable one from the list of generations.',
  });
}

function shortfallWarnings({ plan, asked }: Choice, args: PlanInput): Warning[] {
  const { shortfall } = plan;
  if (shortfall === undefined || shortfall.cause === 'exact') return [];
  const seconds = shortfall.ms / 1000;
  const allowed = args.max_shortfall_seconds ?? DEFAULT_SHORTFALL_SECONDS;
  const message = `the nearest state is ${seconds} s before ${asked.shown.timestamp ?? 'the moment asked'}`;
  if (seconds > allowed && args.strict === true) {
    throw new LitestreamError('TIME_OUT_OF_RANGE', `${message}, more than the ${allowed} s that strict allows`, {
      details: { reached: formatInstant(plan.reached.time), ...('txid' in plan.reached ? { txid: formatTXID(plan.reached.txid) } : {}) },
      hint: 'Ask for that state itself, or without strict.',
    });
  }
  return shortfall.cause === 'end' && seconds <= allowed ? [] : [{ code: 'TIME_SHORTFALL', message }];
}

/** An empty replica says the least. */
function worstProblem(problems: readonly unknown[]): unknown {
  return problems.find((problem) => !isNoBackup(problem)) ?? problems[0];
}

const newestOf = (files: readonly FileInfo[]): TXID =>
  files.reduce<TXID>((max, { maxTXID }) => (maxTXID > max ? maxTXID : max), 0n as TXID);
