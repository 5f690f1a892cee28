/** Judges by the files alone whether changes wait to be captured: an engine that hangs or hears nothing does not notice that itself. */

import { stat } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import type { EngineEvent } from '../engine/events.ts';
import { WALWatch, type WALWatchOptions } from './watchdog/wal-watch.ts';

/** How often the files of a closed database are looked at, ms. */
const COLD_INTERVAL = 60_000;

interface Moment {
  /** ms since the epoch, to be compared with times of files. */
  readonly wall: number;
  /** Monotonic ms, to be measured from: the wall clock may be set. */
  readonly monotonic: number;
}

export class CaptureCheck {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #watch: WALWatch | undefined;
  readonly #startedAt: Moment;
  /** When the last successful look at the WAL began. */
  #lookedAt: Moment | undefined;
  /** When a closed database was last found without changes, monotonic ms. */
  #foundStillAt = Number.NEGATIVE_INFINITY;
  /** Which file stood at the path at the last question, and since when another one does, monotonic ms. */
  #identity: string | undefined;
  #replacedAt: number | undefined;

  /**
   * @param path the database file; it is never opened here (decision 9).
   * @param local where captured changes lie, to compare the content of the WAL with; without it times alone are compared.
   */
  constructor(path: string, clock: Clock, local?: WALWatchOptions) {
    this.#path = path;
    this.#clock = clock;
    this.#watch = local && new WALWatch(`${path}-wal`, clock, local);
    this.#startedAt = this.#now();
  }

  observe(event: EngineEvent): void {
    if (event.type !== 'pass' || event.error !== undefined) return;
    const { wall, monotonic } = this.#now();
    this.#lookedAt = { wall: wall - event.durationMs, monotonic: monotonic - event.durationMs };
  }

  /** Upper bound of the age of the oldest change that no look has seen, seconds; 0 when there is none. */
  async unseenSeconds(isCold = false): Promise<number> {
    const now = this.#clock.monotonic();
    if (isCold && now - this.#foundStillAt < COLD_INTERVAL) return 0;
    const [since, waitingMs] = await Promise.all([this.#unseenSince(), this.#watch?.waitingMs() ?? 0]);
    const ms = Math.max(since === undefined ? 0 : this.#clock.monotonic() - since, waitingMs, 0);
    if (ms === 0) this.#foundStillAt = now;
    return ms / 1000;
  }

  /** Monotonic ms. */
  async #unseenSince(): Promise<number | undefined> {
    const file = await lookAt(this.#path);
    if (this.#lookedAt === undefined) return file === undefined ? undefined : this.#startedAt.monotonic;
    if (file !== undefined) this.#notice(file.identity);
    const wal = await lookAt(`${this.#path}-wal`);
    if (wal !== undefined && wal.modifiedAt > this.#lookedAt.wall) return this.#lookedAt.monotonic;
    // Another database file has come, and nobody has looked since.
    return this.#replacedAt !== undefined && this.#replacedAt > this.#lookedAt.monotonic ? this.#replacedAt : undefined;
  }

  #notice(identity: string): void {
    if (this.#identity !== undefined && this.#identity !== identity) this.#replacedAt = this.#clock.monotonic();
    this.#identity = identity;
  }

  #now(): Moment {
    return { wall: this.#clock.now(), monotonic: this.#clock.monotonic() };
  }
}

/** Undefined when the file cannot be looked at: the engine says why. */
async function lookAt(path: string): Promise<{ readonly identity: string; readonly modifiedAt: number } | undefined> {
  try {
    const { dev, ino, mtimeMs } = await stat(path);
    return { identity: `${dev}:${ino}`, modifiedAt: mtimeMs };
  } catch {
    return undefined;
  }
}
