/** Judges by the files alone whether changes wait to be captured: an engine that hangs or hears nothing does not notice that itself. */

import { stat } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import type { EngineEvent } from '../engine/events.ts';

/** How often the files of a closed database are looked at, ms. */
const COLD_INTERVAL = 60_000;

export class CaptureCheck {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #startedAt: number;
  /** When the last successful look at the WAL began, ms since the epoch. */
  #lookedAt: number | undefined;
  /** When a closed database was last found without changes, monotonic ms. */
  #foundStillAt = Number.NEGATIVE_INFINITY;

  /** @param path the database file; it is never opened here (decision 9). */
  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  observe(event: EngineEvent): void {
    if (event.type === 'pass' && event.error === undefined) this.#lookedAt = this.#clock.now() - event.durationMs;
  }

  /** Upper bound of the age of the oldest change that no look has seen, seconds; 0 when there is none. */
  async unseenSeconds(isCold = false): Promise<number> {
    if (isCold && this.#clock.monotonic() - this.#foundStillAt < COLD_INTERVAL) return 0;
    const since = await this.#unseenSince();
    if (since === undefined) this.#foundStillAt = this.#clock.monotonic();
    return since === undefined ? 0 : Math.max(0, this.#clock.now() - since) / 1000;
  }

  async #unseenSince(): Promise<number | undefined> {
    if (this.#lookedAt === undefined) return (await modifiedAt(this.#path)) === undefined ? undefined : this.#startedAt;
    const writtenAt = await modifiedAt(`${this.#path}-wal`);
    return writtenAt !== undefined && writtenAt > this.#lookedAt ? this.#lookedAt : undefined;
  }
}

/** ms since the epoch; undefined when the file cannot be looked at: the engine says why. */
async function modifiedAt(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch {
    return undefined;
  }
}
