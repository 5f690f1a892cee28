/** The plans that one rebuild tries: the one agreed on, and others to the same state when files of it have gone or are damaged. */

import { hasCode, LitestreamError } from '../../base/errors.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import { listForTarget } from './catalogue.ts';
import { planRestore, type RestorePlan } from './plan.ts';
import { SecondLook } from './second-look.ts';
import { isFlexible, type RestoreSource } from './source.ts';
import type { RestoreTarget } from './target.ts';
import type { Stopwatch } from './time-shares.ts';

interface Question {
  readonly target: RestoreTarget;
  readonly plan?: RestorePlan;
}

interface Tools {
  readonly source: RestoreSource;
  readonly stopwatch: Stopwatch;
  readonly signal: AbortSignal;
}

/** What listing more may mend. */
const UNREACHED = ['LTX_GAP', 'TX_NOT_AVAILABLE', 'NO_SNAPSHOT', 'LTX_TRUNCATED', 'TIME_OUT_OF_RANGE'] as const;

export class PlanChoice {
  readonly #question: Question;
  readonly #tools: Tools;
  readonly #secondLook: SecondLook;
  #plans = 0;
  /** The state that was promised: another plan may take other files, never lead elsewhere. */
  #agreed: TXID | undefined;
  #failed: FileInfo | undefined;
  /** What was found wrong first: the answer when nothing helps. */
  #damage: unknown;

  constructor(question: Question, tools: Tools) {
    this.#question = question;
    this.#tools = tools;
    this.#secondLook = new SecondLook(tools.source, tools.signal);
    this.#agreed = question.plan?.reached.txid;
  }

  /** Files were chosen again. */
  get isReplanned(): boolean {
    return this.#plans > 1;
  }

  /** To be called with the file that could not be used, before `canDoWithout`. */
  readonly failed = (file: FileInfo): void => {
    this.#failed = file;
  };

  /** The plan to carry out next. Throws what planning throws, or the damage that led to planning again. */
  async next(): Promise<RestorePlan> {
    this.#failed = undefined;
    try {
      const plan = await this.#settled();
      this.#plans += 1;
      return plan;
    } catch (error) {
      this.#tools.signal.throwIfAborted();
      const { source } = this.#tools;
      const refusal = isFlexible(source) ? source.refusal : undefined;
      const reason = refusal ?? (error instanceof Error ? error.message : String(error));
      if (this.#damage !== undefined) throw withoutHelp(this.#damage, reason);
      throw refusal === undefined ? error : withRefusal(error, refusal);
    }
  }

  /** True when the file that failed last is whole after all: the same plan may be carried out again. */
  async isWholeAfterAll(error: unknown): Promise<boolean> {
    const file = this.#failed;
    return file !== undefined && !this.#tools.signal.aborted && (await this.#secondLook.isWhole(file, error));
  }

  /** True when the file that failed last may be replaced; then the next plan does without it. */
  canDoWithout(error: unknown): boolean {
    const { source, signal } = this.#tools;
    if (this.#failed === undefined || signal.aborted || !isFlexible(source)) return false;
    // What vanished may have been compacted meanwhile, which a new listing shows.
    if (hasCode(error, 'OBJECT_NOT_FOUND') && this.#plans === 1) return false;
    if (!source.discard(this.#failed, error)) return false;
    this.#damage ??= error;
    return true;
  }

  async #settled(): Promise<RestorePlan> {
    const { source, signal } = this.#tools;
    for (;;) {
      const plan = await this.#planned();
      if (!isFlexible(source) || (await source.settle(plan, signal))) {
        if (isFlexible(source)) this.#agreed ??= plan.reached.txid;
        return plan;
      }
      this.#agreed ??= plan.reached.txid;
      this.#plans += 1;
    }
  }

  async #planned(): Promise<RestorePlan> {
    const { source } = this.#tools;
    if (this.#plans === 0 && this.#question.plan !== undefined) return this.#question.plan;
    try {
      return await this.#plan();
    } catch (error) {
      const isUnreached = UNREACHED.some((code) => hasCode(error, code));
      if (!isUnreached || !isFlexible(source) || !source.widen()) throw error;
      return this.#plan();
    }
  }

  async #plan(): Promise<RestorePlan> {
    const { source, signal, stopwatch } = this.#tools;
    const { target } = this.#question;
    const files = await stopwatch.measureAsync('read', () => listForTarget(source, target, signal));
    const agreed = this.#agreed;
    if (agreed === undefined) return planRestore(files, target);
    // A damaged newest file is no longer listed: planned by the target, its state would be left out in silence.
    const plan = this.#damage === undefined ? planRestore(files, target) : undefined;
    return plan?.reached.txid === agreed ? plan : planRestore(files, { type: 'txid', txid: agreed });
  }
}

/** The damage in the words of the file it was found in, and that it could not be made good. */
function withoutHelp(damage: unknown, reason: string): unknown {
  if (!(damage instanceof LitestreamError)) return damage;
  return new LitestreamError(damage.code, `${damage.message}; nothing else leads to the same state`, {
    cause: damage,
    ...(damage.details === undefined ? {} : { details: damage.details }),
    hint: `${damage.hint ?? 'Restore a state before it, or from another replica.'} (${reason})`,
  });
}

function withRefusal(error: unknown, refusal: string): unknown {
  if (!(error instanceof LitestreamError)) return error;
  return new LitestreamError(error.code, `${error.message}; ${refusal}`, {
    cause: error,
    ...(error.details === undefined ? {} : { details: error.details }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
