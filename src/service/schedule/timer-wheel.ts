/** One timer for however many moments: a wheel of one-second slots that sleeps until the next moment and survives jumps of the clock. */

import type { Clock } from '../../base/clock.ts';

/** Something that happens at a moment of the wall clock. */
export interface Moment {
  /** ms since the epoch; changed only while it is not in a wheel. */
  readonly due: number;
  /** The moment has come. It is not in the wheel any more and may add itself again; must not throw. */
  ring(): void;
  /** The wall clock jumped, or the machine slept: choose `due` anew. It is put back right afterwards. */
  jumped(now: number): void;
}

/** ms. */
const SLOT = 1000;
const SLOTS = 1024;
/** Longest sleep, ms: how late a jump of the clock is noticed. At most half of what the wheel holds in one turn. */
const HORIZON = 60_000;
/** With more moments than this those of 100 ms ring in one turn: thousands of works are due a hundred times a second. */
const MANY = 256;
const TOGETHER = 100;
/** By how much wall clock and monotonic clock may drift apart between two looks before it counts as a jump, ms. */
const DRIFT = 1000;

export class TimerWheel {
  readonly #clock: Clock;
  readonly #slots: (Set<Moment> | undefined)[] = new Array(SLOTS).fill(undefined);
  #size = 0;
  /** The slot up to which everything due has rung. */
  #turned: number;
  #seen: { readonly wall: number; readonly monotonic: number };
  #sleep: { readonly until: number; readonly timer: AbortController } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turned = slotOf(clock.now());
    this.#seen = { wall: clock.now(), monotonic: clock.monotonic() };
  }

  get size(): number {
    return this.#size;
  }

  /** Costs the same however many there are. A moment that has passed rings at once, after the caller has returned. */
  add(moment: Moment): void {
    if (this.#size === 0) this.#look();
    this.#put(moment);
    this.#wakeBy(moment.due);
  }

  remove(moment: Moment): void {
    if (this.#slots[placeOf(slotOf(moment.due))]?.delete(moment) === true) this.#size -= 1;
    if (this.#size === 0) this.#sleep?.timer.abort(EARLIER);
  }

  #put(moment: Moment): void {
    const slot = slotOf(moment.due);
    const set = this.#slots[placeOf(slot)] ?? new Set();
    this.#slots[placeOf(slot)] = set.add(moment);
    this.#size += 1;
    // What is overdue lies where the next turn comes by.
    this.#turned = Math.min(this.#turned, slot);
  }

  /** Notes where both clocks stand; true when the wall clock has jumped since the last time. */
  #look(): boolean {
    const { wall, monotonic } = this.#seen;
    this.#seen = { wall: this.#clock.now(), monotonic: this.#clock.monotonic() };
    return Math.abs(this.#seen.wall - wall - (this.#seen.monotonic - monotonic)) > DRIFT;
  }

  #wakeBy(due: number): void {
    const now = this.#clock.now();
    const together = this.#size > MANY ? TOGETHER : 1;
    const until = Math.min(Math.ceil(due / together) * together, now + HORIZON);
    if (this.#sleep !== undefined && this.#sleep.until <= until) return;
    this.#sleep?.timer.abort(EARLIER);
    const timer = new AbortController();
    const sleep = { until, timer };
    this.#sleep = sleep;
    this.#clock.sleep(Math.max(0, until - now), { signal: timer.signal, unref: true }).then(
      () => this.#turn(),
      () => {
        if (this.#sleep === sleep) this.#sleep = undefined;
      },
    );
  }

  #turn(): void {
    this.#sleep = undefined;
    if (this.#look()) this.#replaceAll();
    const now = this.#clock.now();
    for (const moment of this.#takeDue(now)) moment.ring();
    if (this.#size > 0) this.#wakeBy(this.#nextAfter(now));
  }

  #takeDue(now: number): Moment[] {
    const due: Moment[] = [];
    const last = slotOf(now);
    for (let slot = Math.max(this.#turned, last - SLOTS + 1); slot <= last; slot++) {
      const set = this.#slots[placeOf(slot)];
      if (set === undefined) continue;
      for (const moment of set) if (moment.due <= now && set.delete(moment)) due.push(moment);
      if (set.size === 0) this.#slots[placeOf(slot)] = undefined;
    }
    this.#turned = last;
    this.#size -= due.length;
    return due.sort((a, b) => a.due - b.due);
  }

  /** The next moment within the horizon, else its end. */
  #nextAfter(now: number): number {
    for (let slot = this.#turned; slot <= slotOf(now + HORIZON); slot++) {
      let next = Number.POSITIVE_INFINITY;
      for (const { due } of this.#slots[placeOf(slot)] ?? []) if (slotOf(due) <= slot) next = Math.min(next, due);
      if (next < Number.POSITIVE_INFINITY) return next;
    }
    return now + HORIZON;
  }

  #replaceAll(): void {
    const now = this.#clock.now();
    const all = this.#slots.flatMap((set) => [...(set ?? [])]);
    this.#slots.fill(undefined);
    this.#size = 0;
    this.#turned = slotOf(now);
    for (const moment of all) {
      moment.jumped(now);
      this.#put(moment);
    }
  }
}

/** Why a sleep ends early: an error of its own for each would cost more than the turn. */
const EARLIER = 'there is an earlier moment';

const slotOf = (time: number): number => Math.floor(time / SLOT);
/** Also for a clock that stands before 1970. */
const placeOf = (slot: number): number => ((slot % SLOTS) + SLOTS) % SLOTS;
