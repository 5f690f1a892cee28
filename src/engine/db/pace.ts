/** When the next look at the WAL is due: at once after a pause, then at a distance; again soon while a writer is in the middle of something. */

/** First and longest pause between looks while frames lie in the WAL that are not committed yet, ms. */
const FIRST_RECHECK_MS = 1;
const LAST_RECHECK_MS = 32;
/** How long such frames are looked at often after the last file event, ms. A commit becomes visible without an event of its own. */
const RECHECK_WINDOW_MS = 2000;

export interface PaceSettings {
  /** Least distance between two level-0 files, ms. */
  readonly monitorIntervalMs: number;
  /** Longest time without a look, ms. */
  readonly pollIntervalMs: number;
}

/** All times are monotonic ms, given in. */
export class Pace {
  readonly #settings: PaceSettings;
  #publishedAt = Number.NEGATIVE_INFINITY;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #recheckMs = FIRST_RECHECK_MS;
  #inFlight = false;
  #eventAt = Number.NEGATIVE_INFINITY;

  constructor(settings: PaceSettings) {
    this.#settings = settings;
  }

  published(now: number): void {
    this.#publishedAt = now;
  }

  /** A look has ended. `byEvent`: a file event had asked for it; `inFlight`: see WALView. */
  looked(
    now: number,
    { byEvent, inFlight, found }: { readonly byEvent: boolean; readonly inFlight: boolean; readonly found: boolean },
  ): void {
    if (byEvent || found) this.#eventAt = now;
    this.#recheckMs = inFlight && !found ? Math.min(this.#recheckMs * 2, LAST_RECHECK_MS) : FIRST_RECHECK_MS;
    this.#inFlight = inFlight;
    this.#lookedAt = now;
  }

  /** ms that have to pass before another look makes sense, even if events arrive; ≤ 0 for none. */
  holdMs(now: number): number {
    return Math.max(this.#publishedAt + this.#settings.monitorIntervalMs, this.#lookedAt + this.#recheckMs) - now;
  }

  /** ms to wait for an event before looking anyway. */
  idleMs(now: number): number {
    const often = this.#inFlight && now - this.#eventAt < RECHECK_WINDOW_MS;
    return often ? this.#recheckMs : this.#settings.pollIntervalMs;
  }
}
