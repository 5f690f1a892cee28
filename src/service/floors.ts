/** What the replicas of one database already hold: no TXID up to there may be used again (docs/engine.md, Positions and repair). */

import { Backoff } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import { NO_TXID, type TXID } from '../formats/ltx/txid.ts';

/** How long the first question may take before a database with local files goes on without the answer, ms. */
export const FIRST_ANSWER_LIMIT = 5000;
/** How long each further question may take, ms. */
const ANSWER_LIMIT = 60_000;
/** How long a best-effort replica that does not answer may hold a database without local files up, from the first question on, ms. */
export const BEST_EFFORT_PATIENCE = 15_000;
const RETRY = { initialMs: 1000, capMs: 300_000, jitter: 0.1 };

/** Something that can be asked for its position. */
export interface Askable {
  /** Largest TXID there; undefined when it did not answer within `limitMs`. */
  findPosition(signal: AbortSignal, limitMs: number): Promise<TXID | undefined>;
  /** It refused the last question: a person has to change something before another one is of use. */
  readonly isRefusing?: boolean;
  /** What was seen there earlier, for when it does not answer. */
  rememberedPosition?(): Promise<TXID | undefined>;
}

export class Floors {
  readonly #clock: Clock;
  readonly #unheard: Set<Askable>;
  readonly #required: ReadonlySet<Askable>;
  #highest: TXID = NO_TXID;
  #askedAt: number | undefined;

  /** @param required those that have to be heard; the others are waited for until BEST_EFFORT_PATIENCE only. */
  constructor(replicas: readonly Askable[], clock: Clock, required: readonly Askable[] = replicas) {
    this.#clock = clock;
    this.#unheard = new Set(replicas);
    this.#required = new Set(required);
  }

  /** Largest TXID that is known to be in use anywhere, local files included. */
  get highest(): TXID {
    return this.#highest;
  }

  /** Every replica that has to be waited for has said once what it holds. */
  get areKnown(): boolean {
    return this.#awaited().length === 0;
  }

  /** Asking on is of no use: a replica that has not said what it holds refuses to. */
  get areRefused(): boolean {
    return this.#awaited().some(({ isRefusing }) => isRefusing === true);
  }

  #awaited(): Askable[] {
    const isLate = this.#askedAt !== undefined && this.#clock.monotonic() - this.#askedAt >= BEST_EFFORT_PATIENCE;
    return [...this.#unheard].filter((replica) => this.#required.has(replica) || !isLate);
  }

  /** `txid` is in use. */
  note(txid: TXID): void {
    if (txid > this.#highest) this.#highest = txid;
  }

  /** Asks each replica that has not answered yet once, all at the same time. */
  async ask(signal: AbortSignal, limitMs = FIRST_ANSWER_LIMIT): Promise<void> {
    this.#askedAt ??= this.#clock.monotonic();
    await Promise.all([...this.#unheard].map((replica) => this.#askOne(replica, signal, limitMs)));
  }

  async #askOne(replica: Askable, signal: AbortSignal, limitMs: number): Promise<void> {
    const isRequired = this.#required.has(replica);
    const position = await replica.findPosition(signal, isRequired ? limitMs : Math.min(limitMs, FIRST_ANSWER_LIMIT));
    if (position !== undefined) {
      this.note(position);
      this.#unheard.delete(replica);
    } else if (!isRequired) this.note((await replica.rememberedPosition?.()) ?? NO_TXID);
  }

  /** As `ask`, without waiting for a slow answer when another one is a refusal. */
  async #askUntilRefused(signal: AbortSignal): Promise<void> {
    this.#askedAt ??= this.#clock.monotonic();
    const enough = new AbortController();
    const onAbort = (): void => enough.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const ask = async (replica: Askable): Promise<void> => {
        await this.#askOne(replica, enough.signal, ANSWER_LIMIT);
        if (replica.isRefusing === true && this.#required.has(replica))
          enough.abort(new LitestreamError('CANCELLED', 'another replica has refused to answer'));
      };
      await Promise.all([...this.#unheard].map(ask));
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Asks at once and then every `everyMs`, until all have answered or one refuses; rejects with `signal.reason` when aborted. */
  async askWhileUseful(signal: AbortSignal, everyMs: number): Promise<void> {
    for (;;) {
      await this.#askUntilRefused(signal);
      signal.throwIfAborted();
      if (this.areKnown || this.areRefused) return;
      await this.#clock.sleep(everyMs, { signal, unref: true });
    }
  }

  /** Asks again and again, less and less often, until all have answered; rejects with `signal.reason` when aborted. */
  async askUntilKnown(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(RETRY);
    while (!this.areKnown) {
      await this.#clock.sleep(backoff.next(), { signal, unref: true });
      await this.ask(signal, ANSWER_LIMIT);
      signal.throwIfAborted();
    }
  }
}
