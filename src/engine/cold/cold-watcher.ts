/** Notices in this thread when somebody writes to a closed database: by file events, and by looking now and then, because events can be lost. */

import type { Clock } from '../../base/clock.ts';
import { ChangeWatch } from '../db/change-watch.ts';
import type { ArmResult, ColdWatch, NoticedBy } from './cold-watch.ts';
import { type ColdPlace, hasChanged } from './fingerprint.ts';

/** Between two slices of the sweep, ms. */
const SLICE_MS = 1000;
/** Everything is looked at once in so many slices, but no more than so many databases in one. */
const SLICES = 10;
const SLICE_SIZE = 200;

interface Cold {
  readonly place: ColdPlace;
  readonly watch: ChangeWatch;
  readonly onChange: (by: NoticedBy) => void;
}

export class ColdWatcher implements ColdWatch {
  readonly #clock: Clock;
  readonly #databases = new Map<string, Cold>();
  /** Names with events that have not been looked into. */
  #stirred = new Set<string>();
  #sweeping: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async arm(name: string, place: ColdPlace, onChange: (by: NoticedBy) => void): Promise<ArmResult> {
    this.disarm(name);
    const watch = new ChangeWatch(place.path, () => this.#stir(name));
    // First the watch, then the look: whoever writes in between is seen by one of them.
    watch.arm();
    if (!watch.isArmed) return 'unwatchable';
    if (hasChanged(place)) {
      watch.disarm();
      return 'changed';
    }
    this.#databases.set(name, { place, watch, onChange });
    this.#sweeping ??= this.#startSweep();
    return 'armed';
  }

  disarm(name: string): void {
    this.#databases.get(name)?.watch.disarm();
    this.#databases.delete(name);
    if (this.#databases.size > 0) return;
    this.#sweeping?.abort();
    this.#sweeping = undefined;
  }

  /** Called for every event: thousands of them, which come together, lead to one look. */
  #stir(name: string): void {
    if (this.#stirred.size === 0) setImmediate(() => this.#lookIntoStirred());
    this.#stirred.add(name);
  }

  #lookIntoStirred(): void {
    const names = this.#stirred;
    this.#stirred = new Set();
    for (const name of names) this.#look(name, 'events');
  }

  #look(name: string, by: NoticedBy): void {
    const cold = this.#databases.get(name);
    if (cold === undefined) return;
    if (hasChanged(cold.place)) {
      this.disarm(name);
      cold.onChange(by);
    } else {
      // The directory that was waited for may be there now, or another one in its place.
      cold.watch.arm();
    }
  }

  #startSweep(): AbortController {
    const stopping = new AbortController();
    void this.#sweep(stopping.signal).catch(() => {}); // ends with the abort of its sleep
    return stopping;
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    let rest: string[] = [];
    let slice = 0;
    for (;;) {
      await this.#clock.sleep(SLICE_MS, { signal, unref: true });
      if (rest.length === 0) {
        rest = [...this.#databases.keys()];
        slice = Math.min(SLICE_SIZE, Math.ceil(rest.length / SLICES));
      }
      for (const name of rest.splice(-slice)) this.#look(name, 'sweep');
    }
  }
}
