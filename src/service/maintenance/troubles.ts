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

/** What has failed at least once. */
interface Known {
  readonly log: ProblemLog;
  standing: Standing | undefined;
}

export class Troubles {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Absent until something fails, because there may be thousands of replicas. */
  #known: Map<string, Known> | undefined;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  get all(): readonly CompanionTrouble[] {
    return [...(this.#known?.values() ?? [])].flatMap(({ standing }) => standing?.trouble ?? []);
  }

  get isEmpty(): boolean {
    return this.#known === undefined || this.all.length === 0;
  }

  /** Work that failed may be tried again, before its next tick. */
  isRetryDue(of: string): boolean {
    const standing = this.#known?.get(of)?.standing;
    return standing !== undefined && this.#clock.monotonic() >= standing.retryAt;
  }

  /** `of` has failed, again or for the first time. */
  stands(of: string, thrown: unknown): void {
    const error = errorToData(thrown);
    const known = this.#know(of);
    const before = known.standing;
    const backoff = before?.backoff ?? new Backoff(RETRY);
    const since = before?.trouble.error.code === error.code ? before.trouble.since : this.#clock.now();
    known.standing = { trouble: { of, error, since }, backoff, retryAt: this.#clock.monotonic() + backoff.next() };
    known.log.failed(error.code, { error });
  }

  /** `of` has succeeded. */
  isOver(of: string): void {
    const known = this.#known?.get(of);
    if (known?.standing === undefined) return;
    known.standing = undefined;
    known.log.succeeded();
  }

  #know(of: string): Known {
    this.#known ??= new Map();
    const words = { level: 'warn', failing: `${of} failed`, over: `${of} works again` } as const;
    const known = this.#known.get(of) ?? { log: new ProblemLog(this.#clock, this.#log, words), standing: undefined };
    this.#known.set(of, known);
    return known;
  }
}
