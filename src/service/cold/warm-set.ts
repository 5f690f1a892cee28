/** The open ones among the databases that may be closed: closes those that have been idle for long, and sooner where others wait for a place. */

import { orAbort } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';

export interface WarmMember {
  /** It is opened only to see what had happened before the start, as hundreds may be at once; another one has changes that wait. */
  readonly isFirstLook: boolean;
  /** Time since its last change, its last use or its opening, ms. */
  readonly idleMs: number;
  /** After this long it is closed even if nobody needs its place, ms. */
  readonly patienceMs: number;
  /** Nothing is known that speaks against closing it. `isPressed`: others wait; then what is captured need not be at the replicas yet. */
  canCool(isPressed: boolean): boolean;
  /** Closes it and has it leave; false when it has to stay open after all. */
  cool(isPressed: boolean): Promise<boolean>;
}

/** How often idle ones are looked for, ms. */
const TICK = 500;
/** How many are closed at once. */
const AT_ONCE = 16;
/** A database that was used within this time is not closed to make room, ms. Longer than its files have to be still. */
const BUSY = 1200;
/** Between two attempts to make room, ms. */
const PRESS = 100;
/** Whoever has waited for so long is let in above the limit, ms: all others are busy, and its changes are not captured meanwhile. */
const PATIENCE = 5000;
/** First looks take no more than so many places, unless one has waited for so long, ms: what a thousand of them would need at once is never given back whole. */
const FIRST_LOOKS = 48;
const FIRST_LOOK_PATIENCE = 1000;

interface Waiter {
  readonly member: WarmMember;
  readonly since: number;
  readonly admit: () => void;
}

export class WarmSet {
  readonly limit: number;
  readonly #clock: Clock;
  readonly #members = new Set<WarmMember>();
  readonly #waiters = new Set<Waiter>();
  #ticking: Promise<void> | undefined;
  #serving: Promise<void> | undefined;

  /** @param limit of open databases, ≥ 1. */
  constructor(clock: Clock, limit: number) {
    this.#clock = clock;
    this.limit = Math.max(1, limit);
  }

  get size(): number {
    return this.#members.size;
  }

  /** Waits for a place, in the order of coming; rejects with `signal.reason` when aborted. */
  async enter(member: WarmMember, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#hasPlace(member, 0) && !this.#isBehind(member)) return this.#admit(member);
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { member, since: this.#clock.monotonic(), admit: resolve };
    this.#waiters.add(waiter);
    this.#serving ??= this.#serve();
    try {
      await orAbort(promise, signal);
    } catch (error) {
      this.#waiters.delete(waiter);
      this.#members.delete(member);
      throw error;
    }
  }

  leave(member: WarmMember): void {
    this.#members.delete(member);
  }

  #admit(member: WarmMember): void {
    this.#members.add(member);
    this.#ticking ??= this.#tick();
  }

  async #tick(): Promise<void> {
    while (this.#members.size > 0) {
      await this.#clock.sleep(TICK, { unref: true });
      const due = [...this.#members].filter((member) => member.idleMs >= member.patienceMs && member.canCool(false));
      for (let at = 0; at < due.length; at += AT_ONCE) await coolAll(due.slice(at, at + AT_ONCE), false);
    }
    this.#ticking = undefined;
  }

  async #serve(): Promise<void> {
    for (;;) {
      this.#admitWaiters();
      if (this.#waiters.size === 0) break;
      const cooled = await coolAll(this.#longestIdle(Math.min(AT_ONCE, this.#waiters.size)), true);
      if (!cooled) await this.#clock.sleep(PRESS, { unref: true });
    }
    this.#serving = undefined;
  }

  #admitWaiters(): void {
    const now = this.#clock.monotonic();
    for (const waiter of this.#waiters) {
      if (!this.#hasPlace(waiter.member, now - waiter.since)) continue;
      this.#waiters.delete(waiter);
      this.#admit(waiter.member);
      waiter.admit();
    }
  }

  /** Others came first; whoever has changes does not wait behind first looks. */
  #isBehind(member: WarmMember): boolean {
    for (const waiter of this.#waiters) if (member.isFirstLook || !waiter.member.isFirstLook) return true;
    return false;
  }

  #hasPlace(member: WarmMember, waitedMs: number): boolean {
    if (waitedMs >= PATIENCE) return true;
    const crowded = member.isFirstLook && waitedMs < FIRST_LOOK_PATIENCE && this.#members.size >= FIRST_LOOKS;
    return this.#members.size < this.limit && !crowded;
  }

  #longestIdle(count: number): WarmMember[] {
    const idle = [...this.#members]
      .map((member) => ({ member, idleMs: member.idleMs }))
      .filter(({ member, idleMs }) => idleMs >= Math.min(BUSY, member.patienceMs));
    const replicated = idle.filter(({ member }) => member.canCool(false));
    const able = replicated.length > 0 ? replicated : idle.filter(({ member }) => member.canCool(true));
    return able
      .sort((a, b) => b.idleMs - a.idleMs)
      .slice(0, count)
      .map(({ member }) => member);
  }
}

/** True when at least one was closed. */
async function coolAll(members: readonly WarmMember[], isPressed: boolean): Promise<boolean> {
  const cooled = await Promise.all(members.map((member) => member.cool(isPressed)));
  return cooled.includes(true);
}
