/** Tells what was found wrong in the levels of one replica: each finding once, and a gap for as long as it stands. */

import { LitestreamError } from '../../base/errors.ts';
import type { Inconsistency } from '../../engine/compaction/level-check.ts';
import { describeRange } from '../../formats/ltx/header.ts';
import { formatTXID } from '../../formats/ltx/txid.ts';
import type { Level } from '../../replica/file-info.ts';
import type { CompanionContext } from '../companions/companion.ts';
import type { Troubles } from './troubles.ts';

export class LevelFindings {
  readonly #context: Pick<CompanionContext, 'log' | 'count'>;
  readonly #troubles: Troubles;
  /** Absent until something is found, because there may be thousands of replicas. */
  #told: Set<string> | undefined;

  constructor(context: Pick<CompanionContext, 'log' | 'count'>, troubles: Troubles) {
    this.#context = context;
    this.#troubles = troubles;
  }

  /** `found` is all that is wrong in `level` now. A gap stands as a trouble until it is gone; an overlap, which harms nothing, is told once. */
  checked(level: Level, found: readonly Inconsistency[]): void {
    for (const one of found) this.#tell(level, one);
    const gap = found.find(({ kind }) => kind === 'gap');
    if (gap === undefined) this.#troubles.isOver(`check of level ${level}`);
    else this.#troubles.stands(`check of level ${level}`, gapError(gap));
  }

  #tell(level: Level, { kind, minTXID, maxTXID }: Inconsistency): void {
    const { log, count } = this.#context;
    const key = `${level} ${kind} ${minTXID} ${maxTXID}`;
    this.#told ??= new Set();
    if (this.#told.has(key)) return;
    this.#told.add(key);
    count('compaction_inconsistencies');
    const range = { min_txid: formatTXID(minTXID), max_txid: formatTXID(maxTXID) };
    log.log('warn', `the files of a level ${kind === 'gap' ? 'leave a gap' : 'overlap'}`, { level, ...range });
  }
}

const gapError = (gap: Inconsistency): LitestreamError =>
  new LitestreamError('LTX_GAP', `checking the levels: transactions ${describeRange(gap)} are in no file of level ${gap.level}`, {
    details: { level: gap.level, min_txid: formatTXID(gap.minTXID), max_txid: formatTXID(gap.maxTXID) },
    hint: 'Moments inside may not be restorable from this replica; the next snapshot leads over them.',
  });
