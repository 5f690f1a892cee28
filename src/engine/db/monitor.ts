/** Looks at a database again and again: when its files change, at an interval in any case, and with growing pauses after failures. */

import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { DatabaseSettings } from '../options.ts';
import { ChangeWatch } from './change-watch.ts';
import { Pace } from './pace.ts';
import { Wakeup } from './wakeup.ts';

/** Pauses after failures, ms. */
const FIRST_BACKOFF_MS = 100;
const BACKOFF_CAP_MS = 300_000;
/** How often it is asked, while a look is put off, whether it can be put off further, ms. */
const HOLD_STEP_MS = 100;

export interface Look {
  /** A file was published. */
  readonly found: boolean;
  /** See WALView. */
  readonly inFlight: boolean;
}

/** What the monitor drives. */
export interface Monitored {
  /** Called for every file event: has to be cheap. */
  onChange(): void;
  look(): Promise<Look>;
  /** Cheap: so much was written since the last look that the next one must not be put off. */
  isPressing(): boolean;
  /** A look has failed. `failing`: wait longer and longer; `waiting`: look again as usual; `halted`: never again. */
  onFailure(error: unknown, nextTryMs: number): 'failing' | 'waiting' | 'halted';
}

export class Monitor {
  readonly #clock: Clock;
  readonly #work: Monitored;
  readonly #pace: Pace;
  readonly #watch: ChangeWatch;
  readonly #backoff: Backoff;
  readonly #wakeup = new Wakeup();
  /** Ends a pause that file events do not end. */
  #pause = new AbortController();
  #stopping = false;
  #loop: Promise<void> | undefined;

  constructor(settings: DatabaseSettings, clock: Clock, work: Monitored) {
    this.#clock = clock;
    this.#work = work;
    this.#pace = new Pace(settings);
    this.#backoff = new Backoff({ initialMs: Math.max(settings.monitorIntervalMs, FIRST_BACKOFF_MS), capMs: BACKOFF_CAP_MS });
    this.#watch = new ChangeWatch(settings.path, () => {
      work.onChange();
      this.#wakeup.ring();
    });
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** A level-0 file was published, by whomever. */
  published(): void {
    this.#pace.published(this.#clock.monotonic());
  }

  /** There is something to do: look as soon as the distance between two files allows. */
  ring(): void {
    this.#wakeup.ring();
  }

  /** As `ring`, and also ends the pause after a failure. */
  retry(): void {
    this.#backoff.reset();
    this.#wakeup.ring();
    this.#pause.abort();
  }

  /** Resolves when the last look has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.retry();
    await this.#loop;
  }

  async #run(): Promise<void> {
    let byEvent = true;
    while (!this.#stopping) {
      this.#watch.arm();
      const deafMs = await this.#turn(byEvent);
      await this.#sleep(deafMs);
      byEvent = await this.#wakeup.wait(this.#clock, deafMs > 0 ? 0 : this.#pace.idleMs(this.#clock.monotonic()));
      await this.#hold();
      // What arrived meanwhile is answered by the same look.
      byEvent = this.#wakeup.take() || byEvent;
    }
    this.#watch.disarm();
  }

  /** Keeps the distance between two files, unless the WAL grows too much meanwhile. */
  async #hold(): Promise<void> {
    for (;;) {
      const left = this.#pace.holdMs(this.#clock.monotonic());
      if (left <= 0 || this.#stopping) return;
      await this.#sleep(Math.min(left, HOLD_STEP_MS));
      if (this.#work.isPressing()) return;
    }
  }

  /** One look. Returns how long not to listen for events afterwards, ms. */
  async #turn(byEvent: boolean): Promise<number> {
    try {
      const look = await this.#work.look();
      this.#backoff.reset();
      this.#pace.looked(this.#clock.monotonic(), { byEvent, ...look });
      return 0;
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error: unknown): number {
    const pauseMs = this.#backoff.next();
    const outcome = this.#work.onFailure(error, pauseMs);
    if (outcome === 'failing') return pauseMs;
    this.#backoff.reset();
    this.#stopping ||= outcome === 'halted';
    this.#pace.looked(this.#clock.monotonic(), { byEvent: false, inFlight: false, found: false });
    return 0;
  }

  async #sleep(ms: number): Promise<void> {
    if (ms <= 0 || this.#stopping) return;
    this.#pause = new AbortController();
    const { signal } = this.#pause;
    await this.#clock.sleep(ms, { signal }).catch((error) => {
      if (!signal.aborted) throw error;
    });
  }
}
