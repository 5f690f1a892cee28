/** Chooses what a restore would read: the target asked for, the replica that serves it best, the files. Reads listings only. */

import { hasCode, LitestreamError } from '../base/errors.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { planRestore, type RestorePlan } from '../engine/restore/plan.ts';
import type { RestoreTarget } from '../engine/restore/target.ts';
import { formatTXID, parseTXID, type TXID, toTXID } from '../formats/ltx/txid.ts';
import type { FileInfo } from '../replica/file-info.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { Warning } from './fields.ts';
import { listReplicas } from './listings.ts';
import { formatInstant, parseMoment } from './moment.ts';
import type { PlanInput, PlanOut } from './verbs/restore-schema.ts';
import type { World } from './world.ts';

export interface Asked {
  readonly target: RestoreTarget;
  /** Repeated to the caller in absolute terms. */
  readonly shown: PlanOut['asked'];
}

export interface Choice {
  readonly entry: DatabaseEntry;
  readonly asked: Asked;
  readonly replica: ReplicaSettings;
  readonly plan: RestorePlan;
  /** Newest TXID over all files of this replica. */
  readonly newest: TXID;
  /** Listing times are the transactions' own. */
  readonly exactTimes: boolean;
  readonly warnings: readonly Warning[];
}

/** Lineages of 0.3 data are 16 hex digits. */
const V3_GENERATION = /^[0-9a-f]{16}$/;
const DEFAULT_SHORTFALL_SECONDS = 60;

/** What the arguments ask for. USAGE when they contradict each other. */
export function askedFor(args: PlanInput, now: number): Asked {
  refuseOtherLineages(args.generation);
  const given = (['timestamp', 'txid', 'index'] as const).filter((name) => args[name] !== undefined);
  if (given.length > 1) {
    throw new LitestreamError('USAGE', `${given.join(', ')}: only one of them can say which moment is meant`, {
      details: { argument: given[1] },
    });
  }
  if (args.timestamp !== undefined) {
    const timestamp = parseMoment(args.timestamp, now, 'timestamp');
    return { target: { type: 'timestamp', timestamp }, shown: { timestamp: formatInstant(timestamp) } };
  }
  const txid = args.txid !== undefined ? parseTXID(args.txid) : args.index !== undefined ? toTXID(args.index) : undefined;
  return txid === undefined
    ? { target: { type: 'latest' }, shown: {} }
    : { target: { type: 'txid', txid }, shown: { txid: formatTXID(txid) } };
}

/** The replica that comes nearest to the target, the first configured one between equals. Throws what planning and listing throw. */
export async function chooseRestore(
  world: World,
  entry: DatabaseEntry,
  { args, asked, signal }: { readonly args: PlanInput; readonly asked: Asked; readonly signal: AbortSignal },
): Promise<Choice> {
  const exactTimes = asked.target.type === 'timestamp';
  const { listings, warnings, failures } = await listReplicas(world, { entry, replica: args.replica, signal, exactTimes });
  const choices: Choice[] = [];
  const problems: unknown[] = [];
  for (const { replica, files } of listings) {
    try {
      choices.push({ entry, asked, replica, plan: planRestore(files, asked.target), newest: newestOf(files), exactTimes, warnings });
    } catch (error) {
      problems.push(error);
    }
  }
  const best = choices.reduce<Choice | undefined>(
    (a, b) => (a === undefined || b.plan.reached.txid > a.plan.reached.txid ? b : a),
    undefined,
  );
  // A replica that could not be read may hold what the others lack: its error is the truer answer.
  if (best === undefined) throw failures[0] ?? worstProblem(problems);
  return { ...best, warnings: [...warnings, ...shortfallWarnings(best, args)] };
}

/** True when every replica is readable and empty: there has never been a backup. */
export const isNoBackup = (error: unknown): boolean => hasCode(error, 'NO_SNAPSHOT') && error.details?.files === 0;

function refuseOtherLineages(generation: string | undefined): void {
  if (generation === undefined || generation === 'ltx') return;
  if (V3_GENERATION.test(generation)) {
    throw new LitestreamError('NOT_SUPPORTED', `generation ${generation}: restoring data of version 0.3 is not possible yet`, {
      details: { argument: 'generation' },
      hint: 'Leave generation out to restore LTX data.',
    });
  }
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
      details: { reached: formatInstant(plan.reached.time), txid: formatTXID(plan.reached.txid) },
      hint: 'Ask for that state by its txid, or without strict.',
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
