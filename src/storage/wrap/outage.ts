/** Since when a destination has answered nobody, and whether it ever did: what lasts is left to those who wait longer. */

import type { Clock } from '../../base/clock.ts';
import { hasCode, type LitestreamError } from '../../base/errors.ts';
import type { ObjectStore } from '../object-store.ts';
import { type Answered, answeredHere } from './answered.ts';

/** So long after its first failure, without a success of anybody, repeating calls has not helped, ms. */
const LASTING_MS = 120_000;
/** A failure that is older than this, ms, says nothing about now: nobody has asked since. */
const STALE_MS = 10 * 60_000;
/** So long a destination that has never answered is asked again after what seldom passes by itself, ms: names of containers appear late. */
const HOPE_MS = 15_000;

export class Outage {
  readonly #clock: Clock;
  readonly #answered: Answered;
  #since: number | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;
  #last: LitestreamError | undefined;

  /** @param answered whether the destination has ever answered, which outlives this object. */
  constructor(clock: Clock, answered: Answered = answeredHere()) {
    this.#clock = clock;
    this.#answered = answered;
  }

  /** True when repeating calls is of no use for now. */
  get isLasting(): boolean {
    return this.#since !== undefined && this.#clock.monotonic() - this.#since >= LASTING_MS;
  }

  /** How much longer to repeat what seldom passes by itself, ms, from the first failure of anybody on; without a bound where there was ever an answer. */
  get hopeMs(): number {
    if (this.#answered.isKnown) return Number.POSITIVE_INFINITY;
    const since = this.#since ?? this.#clock.monotonic();
    return Math.max(0, HOPE_MS - (this.#clock.monotonic() - since));
  }

  /** What calls fail with, while nobody has been answered since. */
  get standing(): LitestreamError | undefined {
    return this.#last;
  }

  /** A call failed in a way that may pass. */
  failed(error: LitestreamError): void {
    this.#last = error;
    const now = this.#clock.monotonic();
    if (this.#since === undefined || now - this.#failedAt > STALE_MS) this.#since = now;
    this.#failedAt = now;
  }

  /** Somebody was answered: every call has all its attempts again. */
  ended(): void {
    this.#answered.note();
    this.#since = undefined;
    this.#last = undefined;
  }
}

const outages = new WeakMap<ObjectStore, Outage>();

/** `store` is a client of the destination that `outage` is about. */
export function setOutage(store: ObjectStore, outage: Outage): void {
  outages.set(store, outage);
}

/** What calls to the destination of `store` fail with and are repeated for, while nobody has been answered since. */
export const standingFailure = (store: ObjectStore): LitestreamError | undefined => outages.get(store)?.standing;

/** What to tell of a call to `store` that was given up: where it took too long because it was being repeated, the reason for that. */
export const reasonOf = (thrown: unknown, store: ObjectStore): unknown =>
  hasCode(thrown, 'TIMEOUT') ? (standingFailure(store) ?? thrown) : thrown;
