/** What the replicas of one database already hold: no TXID up to there may be used again (docs/engine.md, Positions and repair). */

import { Backoff } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { NO_TXID, type TXID } from '../formats/ltx/txid.ts';

/** How long the first question may take before a database with local files goes on without the answer, ms. */
export const FIRST_ANSWER_LIMIT = 5000;
/** How long each further question may take, ms. */
const ANSWER_LIMIT = 60_000;
const RETRY = { initialMs: 1000, capMs: 300_000, jitter: 0.1 };

/** Something that can be asked for its position. */
export interface Askable {
  /** Largest TXID there; undefined when it did not answer within `limitMs`. */
  findPosition(signal: AbortSignal, limitMs: number): Promise<TXID | undefined>;
}

export class Floors {
  readonly #clock: Clock;
  readonly #unheard: Set<Askable>;
  #highest: TXID = NO_TXID;

  constructor(replicas: readonly Askable[], clock: Clock) {
    this.#clock = clock;
    this.#unheard = new Set(replicas);
  }

  /** Largest TXID that is known to be in use anywhere, local files included. */
  get highest(): TXID {
    return this.#highest;
  }

  /** Every replica has said once what it holds. */
  get areKnown(): boolean {
    return this.#unheard.size === 0;
  }

  /** `txid` is in use. */
  note(txid: TXID): void {
    if (txid > this.#highest) this.#highest = txid;
  }

  /** Asks each replica that has not answered yet once, all at the same time. */
  async ask(signal: AbortSignal, limitMs = FIRST_ANSWER_LIMIT): Promise<void> {
    const ask = async (replica: Askable): Promise<void> => {
      const position = await replica.findPosition(signal, limitMs);
      if (position === undefined) return;
      this.note(position);
      this.#unheard.delete(replica);
    };
    await Promise.all([...this.#unheard].map(ask));
  }

  /** Asks again and again until all have answered; rejects with `signal.reason` when aborted. @param everyMs default: less and less often. */
  async askUntilKnown(signal: AbortSignal, everyMs?: number): Promise<void> {
    const backoff = new Backoff(RETRY);
    while (!this.areKnown) {
      await this.#clock.sleep(everyMs ?? backoff.next(), { signal, unref: true });
      await this.ask(signal, ANSWER_LIMIT);
      signal.throwIfAborted();
    }
  }
}
