/** What the engine tells about itself: its state, its events, and the numbers of its status. */

import type { Clock } from '../../base/clock.ts';
import { type ErrorData, errorToData, hasCode } from '../../base/errors.ts';
import type { EngineStatus } from '../database-engine.ts';
import type { EngineEvent, EngineState } from '../events.ts';
import type { CheckpointResult } from './checkpointer.ts';

export class Report {
  readonly #clock: Clock;
  readonly #onEvent: (event: EngineEvent) => void;
  #state: EngineState = 'starting';
  #error: ErrorData | undefined;
  #since: number;
  #pendingSince: number | undefined;
  #lastCheckpoint: EngineStatus['lastCheckpoint'];
  #worstWriteLockMs = 0;

  constructor(clock: Clock, onEvent: (event: EngineEvent) => void) {
    this.#clock = clock;
    this.#onEvent = onEvent;
    this.#since = clock.now();
  }

  /** The part of the status that needs no look at the database. */
  get summary() {
    return {
      state: this.#state,
      since: this.#since,
      worstWriteLockMs: this.#worstWriteLockMs,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      pendingSince: this.#pendingSince,
      ...(this.#lastCheckpoint === undefined ? {} : { lastCheckpoint: this.#lastCheckpoint }),
    };
  }

  state(state: EngineState, error?: unknown): void {
    const data = error === undefined ? undefined : errorToData(error);
    if (state === this.#state && data?.code === this.#error?.code) {
      this.#error = data;
      return;
    }
    if (state !== this.#state) this.#since = this.#clock.now();
    this.#state = state;
    this.#error = data;
    this.#onEvent({ type: 'state', state, ...(data === undefined ? {} : { error: data }) });
  }

  /** Something may have been committed. */
  noticed(): void {
    this.#pendingSince ??= this.#clock.now();
  }

  /** Everything that was noticed is captured. */
  caughtUp(): void {
    this.#pendingSince = undefined;
  }

  pass(durationMs: number, sizes: { readonly dbSize: number; readonly walOffset: number }, error?: unknown): void {
    this.#onEvent({
      type: 'pass',
      durationMs,
      ...sizes,
      ...(error === undefined ? {} : { error: errorToData(error) }),
      diskFull: hasCode(error, 'DISK_FULL'),
    });
  }

  checkpoint(mode: 'PASSIVE' | 'TRUNCATE', durationMs: number, result: CheckpointResult | undefined, error?: unknown): void {
    const { complete = false, writeLockMs = 0 } = result ?? {};
    this.#worstWriteLockMs = Math.max(this.#worstWriteLockMs, writeLockMs);
    this.#lastCheckpoint = { at: this.#clock.now(), mode, complete };
    this.#onEvent({
      type: 'checkpoint',
      mode,
      durationMs,
      writeLockMs,
      complete,
      ...(error === undefined ? {} : { error: errorToData(error) }),
    });
  }
}
