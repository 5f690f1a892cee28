/** What stands in the way of the maintenance of one replica: since when, when it is tried again, and lines about it. */

import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { errorToData } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { ProblemLog } from '../../engine/upload/failures.ts';
import type { CompanionTrouble } from '../service.ts';

const RETRY = { initialMs: 10_000, capMs: 300_000 };

interface Standing {
  readonly trouble: CompanionTrouble;
  readonly backoff: Backoff;
  /** Monotonic ms. */
  readonly retryAt: number;
}

export class Troubles {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #logs = new Map<string, ProblemLog>();
  readonly #standing = new Map<string, Standing>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  get all(): readonly CompanionTrouble[] {
    return [...this.#standing.values()].map(({ trouble }) => trouble);
  }

  get isEmpty(): boolean {
    return this.#standing.size === 0;
  }

  has(of: string): boolean {
    return this.#standing.has(of);
  }

  /** Work that failed may be tried again, before its next tick. */
  isRetryDue(of: string): boolean {
    const standing = this.#standing.get(of);
    return standing !== undefined && this.#clock.monotonic() >= standing.retryAt;
  }

  /** `of` has failed, again or for the first time. */
  stands(of: string, thrown: unknown): void {
    const error = errorToData(thrown);
    const before = this.#standing.get(of);
    const backoff = before?.backoff ?? new Backoff(RETRY);
    const since = before?.trouble.error.code === error.code ? before.trouble.since : this.#clock.now();
    this.#standing.set(of, { trouble: { of, error, since }, backoff, retryAt: this.#clock.monotonic() + backoff.next() });
    this.#logOf(of).failed(error.code, { error });
  }

  /** `of` has succeeded. */
  isOver(of: string): void {
    if (this.#standing.delete(of)) this.#logOf(of).succeeded();
  }

  #logOf(of: string): ProblemLog {
    const known =
      this.#logs.get(of) ?? new ProblemLog(this.#clock, this.#log, { level: 'warn', failing: `${of} failed`, over: `${of} works again` });
    this.#logs.set(of, known);
    return known;
  }
}
