/** Brings a level of a replica up to what the levels below it hold (docs/engine.md, Compaction). */

import { LitestreamError } from '../../base/errors.ts';
import type { TXIDRange } from '../../formats/ltx/filename.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import { type FileInfo, fileKey, type Level } from '../../replica/file-info.ts';
import { listLevel } from '../../replica/list-level.ts';
import { listCatalogue } from '../restore/catalogue.ts';
import { bridgedTo, endOf, type MergePlan, type PlannedMerge, planMerges } from './merge-plan.ts';
import { type Merged, type MergeTools, mergeInto } from './merge-step.ts';
import { refillHole } from './refill-hole.ts';

export interface CompactTools extends MergeTools {
  /** Files whose content was found damaged: they count as absent. */
  readonly damaged: ReadonlySet<string>;
  /** Files that cannot be read here count as absent, too; absent: all can. */
  readonly isReadable?: (file: FileInfo) => boolean;
  /** The interval of the level, ms: what lies further apart was written before and after a pause, and stays apart. */
  readonly intervalMs?: number;
  /** Told of each new file as soon as it is there. */
  readonly onMerged: (merged: Merged) => void;
}

/** What is shorter is no pause, whatever the interval of the level. */
const LEAST_PAUSE_MS = 10_000;
/** Files of a level that one pass makes at most: a backlog of years must not keep everybody else waiting. */
const MERGES_A_PASS = 16;

export interface Compacted {
  /** Where the level ends now. */
  readonly end: TXID;
  /** There is more to merge. */
  readonly isPartial: boolean;
  /** Transactions no file and no snapshot has; what lies behind is not merged before a snapshot closes it. */
  readonly hole?: TXIDRange;
  /** A file that turned out to be damaged; the level ends before it. */
  readonly damage?: { readonly file: FileInfo; readonly error: LitestreamError };
  /** Two files that follow each other have different page sizes. */
  readonly pageSizeChanged: boolean;
}

/**
 * Merges what lies behind the end of `level`. A hole in the level below is filled from lower levels, then from the local log; failing that it is
 * passed over when a snapshot bridges it, and reported otherwise.
 *
 * @param destination the newest file of the level as far as is known; undefined when it is empty.
 */
export async function compactLevel(level: Level, destination: FileInfo | undefined, tools: CompactTools): Promise<Compacted> {
  const plan = await planLevel(level, destination, tools);
  let pageSizeChanged = false;
  let end = destination?.maxTXID ?? (0n as TXID);
  const isPartial = plan.merges.length > MERGES_A_PASS;
  const hole = plan.hole === undefined || isPartial ? {} : { hole: plan.hole };
  for (const planned of plan.merges.slice(0, MERGES_A_PASS)) {
    const done = await mergeAll(planned, tools);
    end = done.end ?? end;
    pageSizeChanged ||= done.pageSizeChanged;
    if (done.damage !== undefined) return { end, damage: done.damage, pageSizeChanged, isPartial, ...hole };
  }
  return { end, pageSizeChanged, isPartial, ...hole };
}

async function planLevel(level: Level, destination: FileInfo | undefined, tools: CompactTools): Promise<MergePlan> {
  const { replica, signal } = tools;
  // A source that begins before the end of the level and reaches behind it must not be missed; in level 0, the largest, there is none.
  const seek = destination === undefined || level > 1 ? {} : { seek: destination.maxTXID };
  const below = await listLevel(replica, (level - 1) as Level, { ...seek, signal });
  const plan = planMerges({ level, end: destination?.maxTXID ?? (0n as TXID), sources: sound(below, tools), ...pauseOf(tools) });
  if (plan.hole === undefined) return plan;
  const whole = await planWithAll(level, tools);
  if (whole.plan.hole === undefined) return whole.plan;
  const isRefilled = await refillHole(
    whole.plan.hole,
    whole.files.filter((file) => file.level === 0),
    tools,
  );
  return isRefilled ? (await planWithAll(level, tools)).plan : whole.plan;
}

async function planWithAll(level: Level, tools: CompactTools): Promise<{ readonly plan: MergePlan; readonly files: readonly FileInfo[] }> {
  const files = await listCatalogue(tools.replica, { signal: tools.signal });
  const usable = sound(files, tools);
  const sources = usable.filter((file) => file.level < level);
  const end = endOf(files.filter((file) => file.level === level));
  const facts = { level, end, bridge: bridgedTo(level, usable), ...pauseOf(tools) };
  // What lies behind the end of the level below is for that level to merge: its next file would overlap what was made of it here.
  const most = endOf(files.filter((file) => file.level === level - 1));
  const plan = planMerges({ ...facts, sources: sources.filter(({ maxTXID }) => maxTXID <= most) });
  return { plan: plan.hole === undefined ? plan : planMerges({ ...facts, sources }), files };
}

const pauseOf = ({ intervalMs }: CompactTools): { readonly pauseMs?: number } =>
  intervalMs === undefined ? {} : { pauseMs: Math.max(intervalMs, LEAST_PAUSE_MS) };

const sound = (files: readonly FileInfo[], { damaged, isReadable = () => true }: CompactTools): FileInfo[] =>
  files.filter((file) => !damaged.has(fileKey(file)) && isReadable(file));

interface Done {
  readonly end?: TXID;
  readonly damage?: Compacted['damage'] & {};
  readonly pageSizeChanged: boolean;
}

/** One planned file, or one for each page size among its inputs. */
async function mergeAll({ level, inputs }: PlannedMerge, tools: CompactTools): Promise<Done> {
  let rest = inputs;
  let end: TXID | undefined;
  let pageSizeChanged = false;
  while (rest.length > 0) {
    tools.signal.throwIfAborted();
    try {
      const merged = await mergeInto(level, rest, tools);
      tools.onMerged(merged);
      end = merged.file.maxTXID;
      rest = rest.slice(merged.inputs);
      pageSizeChanged ||= rest.length > 0;
    } catch (error) {
      const file = damagedInput(error, rest);
      if (file === undefined) throw error;
      return { ...(end === undefined ? {} : { end }), damage: { file, error: error as LitestreamError }, pageSizeChanged };
    }
  }
  return { ...(end === undefined ? {} : { end }), pageSizeChanged };
}

/** Which of the inputs a merge has found damaged. */
function damagedInput(error: unknown, inputs: readonly FileInfo[]): FileInfo | undefined {
  const index = error instanceof LitestreamError ? error.details?.input : undefined;
  return typeof index === 'number' ? inputs[index] : undefined;
}
