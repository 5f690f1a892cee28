/** The last thing an engine said about itself, for when it is busy, gone or not open yet. */

import type { Clock } from '../base/clock.ts';
import type { ErrorData } from '../base/errors.ts';
import type { DatabaseEngine, EngineStatus } from '../engine/database-engine.ts';
import type { EngineEvent } from '../engine/events.ts';
import { NO_TXID } from '../formats/ltx/txid.ts';

/** An engine in the middle of a long copy answers late; callers get the last answer instead of waiting. ms */
const PATIENCE = 250;

export class EngineView {
  readonly #clock: Clock;
  #last: EngineStatus;
  /** One question at a time: a busy engine is not buried under those of every caller. */
  #asking: { readonly engine: DatabaseEngine; readonly answered: Promise<void> } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = { state: 'starting', since: clock.now(), txid: NO_TXID, dbSize: 0, walSize: 0, pendingWALBytes: 0, worstWriteLockMs: 0 };
  }

  /** What is known without asking. */
  get last(): EngineStatus {
    return this.#last;
  }

  /** Keeps what an event says, so that a silent engine is not shown as it was at the last question. */
  observe(event: EngineEvent): void {
    if (event.type === 'synced') this.#last = { ...this.#last, txid: event.txid, txidAt: event.at };
    if (event.type !== 'state') return;
    const { error: _, pendingSince, ...rest } = this.#last;
    const pending = event.state === 'cold' ? { pendingWALBytes: 0 } : pendingSince === undefined ? {} : { pendingSince };
    const since = event.state === this.#last.state ? this.#last.since : this.#clock.now();
    this.#last = { ...rest, ...pending, state: event.state, since, ...(event.error === undefined ? {} : { error: event.error }) };
  }

  /** The engine could not be brought up or ended. */
  fail(error: ErrorData): void {
    this.observe({ type: 'state', state: 'failing', error });
  }

  /** Asks the engine, for at most a quarter of a second. */
  async read(engine: DatabaseEngine | undefined): Promise<EngineStatus> {
    if (engine === undefined) return this.#last;
    const timer = new AbortController();
    const expired = this.#clock.sleep(PATIENCE, { signal: timer.signal, unref: true }).catch(() => {});
    await Promise.race([this.#ask(engine), expired]);
    timer.abort();
    return this.#last;
  }

  #ask(engine: DatabaseEngine): Promise<void> {
    if (this.#asking?.engine === engine) return this.#asking.answered;
    const answered = engine.status().then(
      (status) => {
        // An engine that was woken is as it was until it has looked.
        const isWaking = this.#last.state === 'cold' && status.state === 'starting';
        if (this.#asking?.engine === engine && !isWaking) this.#last = status;
      },
      () => {}, // the engine thread is gone or the database is being closed: the last answer stands
    );
    const asking = { engine, answered };
    this.#asking = asking;
    void answered.finally(() => {
      if (this.#asking === asking) this.#asking = undefined;
    });
    return answered;
  }
}
