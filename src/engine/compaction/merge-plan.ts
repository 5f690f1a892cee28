/** Which files of lower levels become which new files of a level; pure over listings (docs/engine.md, Compaction). */

import type { TXIDRange } from '../../formats/ltx/filename.ts';
import { NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import { byRange, type FileInfo, type Level, MIN_FILE_SIZE } from '../../replica/file-info.ts';
import { buildChains } from '../restore/chains.ts';

/** What one merge may read at most. A single file is merged whatever its size. */
export interface MergeLimits {
  readonly files: number;
  readonly bytes: number;
}

const MERGE_LIMITS: MergeLimits = { files: 256, bytes: 1024 ** 3 };

/** One file to be made: its inputs in the order of their application, each contiguous with the one before. */
export interface PlannedMerge extends TXIDRange {
  readonly level: Level;
  readonly inputs: readonly FileInfo[];
}

export interface MergePlan {
  /** In TXID order. */
  readonly merges: readonly PlannedMerge[];
  /** Transactions that no source has, before the next source; the plan ends there. Both ends belong to it. */
  readonly hole?: TXIDRange;
}

export interface MergeFacts {
  /** The level to be filled. */
  readonly level: Level;
  /** Where the level ends; 0 when it is empty. */
  readonly end: TXID;
  /** Files of lower levels, in any order: of the level below, or of all of them to fill its holes. */
  readonly sources: readonly FileInfo[];
  /** A chain from TXID 1 leads as far as this without anything below the level (`bridgedTo`): holes up to there are passed over. */
  readonly bridge?: TXID;
  /** Two sources further apart in time than this do not become one file: the state before such a pause stays restorable. Default: whatever apart. */
  readonly pauseMs?: number;
  readonly limits?: MergeLimits;
}

/**
 * Merges whatever lies behind the end of the level, beginning with the file that straddles it.
 *
 * At each step the file that reaches furthest is taken, so that files inside others are left out. A hole ends the plan, unless a snapshot
 * bridges it: then the next file begins behind it.
 */
export function planMerges(facts: MergeFacts): MergePlan {
  const { level, end, sources, bridge = NO_TXID, pauseMs = Number.POSITIVE_INFINITY, limits = MERGE_LIMITS } = facts;
  const files = sources.filter((file) => file.size >= MIN_FILE_SIZE && file.maxTXID > end).sort(byRange);
  const outputs = new Outputs(level, limits, pauseMs);
  let position: bigint = end;
  let at = 0;
  while (at < files.length) {
    let best: FileInfo | undefined;
    for (let file = files[at]; file !== undefined && file.minTXID <= position + 1n; file = files[++at]) {
      if (file.maxTXID > position && (best === undefined || file.maxTXID > best.maxTXID)) best = file;
    }
    if (best !== undefined) {
      outputs.add(best);
      position = best.maxTXID;
      continue;
    }
    const next = files[at];
    if (next === undefined) break;
    outputs.close();
    if (bridge < next.minTXID - 1n) {
      return { merges: outputs.all, hole: { minTXID: (position + 1n) as TXID, maxTXID: (next.minTXID - 1n) as TXID } };
    }
    position = next.minTXID - 1n;
  }
  outputs.close();
  return { merges: outputs.all };
}

/** How far a chain from TXID 1 leads that needs no file below `level`; 0 when there is none. */
export function bridgedTo(level: Level, files: readonly FileInfo[]): TXID {
  const upper = files.filter((file) => file.level >= level && file.size >= MIN_FILE_SIZE);
  return buildChains(upper).at(-1)?.txid ?? NO_TXID;
}

/** Where a level ends; 0 when it is empty. */
export const endOf = (files: readonly FileInfo[]): TXID =>
  files.reduce<TXID>((end, file) => (file.maxTXID > end ? file.maxTXID : end), NO_TXID);

/** True when the newest file of a level is from after the last multiple of its interval: it was merged in this period, perhaps before a restart. */
export function isRecent(newest: FileInfo | undefined, intervalMs: number, now: number): boolean {
  if (newest === undefined || newest.createdAt > now) return false;
  return newest.createdAt >= Math.floor(now / intervalMs) * intervalMs;
}

class Outputs {
  readonly all: PlannedMerge[] = [];
  readonly #level: Level;
  readonly #limits: MergeLimits;
  readonly #pauseMs: number;
  #inputs: FileInfo[] = [];
  #bytes = 0;

  constructor(level: Level, limits: MergeLimits, pauseMs: number) {
    this.#level = level;
    this.#limits = limits;
    this.#pauseMs = pauseMs;
  }

  add(file: FileInfo): void {
    const { files, bytes } = this.#limits;
    const last = this.#inputs.at(-1);
    if (last !== undefined && file.createdAt - last.createdAt > this.#pauseMs) this.close();
    if (this.#inputs.length >= files || (this.#inputs.length > 0 && this.#bytes + file.size > bytes)) this.close();
    this.#inputs.push(file);
    this.#bytes += file.size;
  }

  close(): void {
    const [first, last] = [this.#inputs[0], this.#inputs.at(-1)];
    if (first === undefined || last === undefined) return;
    this.all.push({ level: this.#level, inputs: this.#inputs, minTXID: first.minTXID, maxTXID: last.maxTXID });
    this.#inputs = [];
    this.#bytes = 0;
  }
}
