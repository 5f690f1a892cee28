/** Whether the files of each level follow each other as they should; pure over the listing of all levels (docs/engine.md, Compaction). */

import type { TXIDRange } from '../../formats/ltx/filename.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import { byRange, type FileInfo, LEVELS, type Level, MIN_FILE_SIZE, SNAPSHOT_LEVEL } from '../../replica/file-info.ts';
import { bridgedTo } from './merge-plan.ts';

export interface Inconsistency extends TXIDRange {
  readonly level: Level;
  /** `gap`: transactions of the range are in no file of the level and no snapshot carries a restore over them. `overlap`: they are in two files of it. */
  readonly kind: 'gap' | 'overlap';
}

/** Gaps and overlaps of levels 0 to 8. An overlap costs space and harms no restore; where a level begins is nobody's fault. */
export function checkLevels(files: readonly FileInfo[]): Inconsistency[] {
  return LEVELS.filter((level) => level !== SNAPSHOT_LEVEL).flatMap((level) => checkLevel(level, files));
}

/** As `checkLevels`, for one level. */
export function checkLevel(level: Level, files: readonly FileInfo[]): Inconsistency[] {
  const own = files.filter((file) => file.level === level && file.size >= MIN_FILE_SIZE).sort(byRange);
  const found: Inconsistency[] = [];
  let end: bigint | undefined;
  let bridge: TXID | undefined;
  for (const { minTXID, maxTXID } of own) {
    if (end !== undefined && minTXID <= end) {
      found.push({ level, kind: 'overlap', minTXID, maxTXID: (maxTXID < end ? maxTXID : end) as TXID });
    } else if (end !== undefined && minTXID > end + 1n) {
      bridge ??= bridgedTo((level + 1) as Level, files);
      if (bridge < minTXID - 1n) found.push({ level, kind: 'gap', minTXID: (end + 1n) as TXID, maxTXID: (minTXID - 1n) as TXID });
    }
    if (end === undefined || maxTXID > end) end = maxTXID;
  }
  return found;
}
