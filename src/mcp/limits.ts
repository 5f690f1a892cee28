/** Rate and concurrency limits per principal (docs/mcp.md, Limits). */

import type { Clock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import type { Effect } from '../control/caller.ts';

export interface Rate {
  readonly perMinute: number;
  readonly burst: number;
}

export interface CallLimits {
  /** HTTP requests of any kind per principal, answered with status 429. */
  readonly requests: Rate;
  /** Tool calls per principal, answered with RATE_LIMITED. */
  readonly calls: Rate;
  /** Further bounds for calls that read whole backups or create files. */
  readonly scratch: Rate;
  readonly destroy: Rate;
  /** Calls at once, in all and per principal. */
  readonly concurrent: number;
  readonly concurrentPerPrincipal: number;
}

export const DEFAULT_LIMITS: CallLimits = {
  requests: { perMinute: 600, burst: 150 },
  calls: { perMinute: 120, burst: 30 },
  scratch: { perMinute: 10, burst: 10 },
  destroy: { perMinute: 5, burst: 5 },
  concurrent: 32,
  concurrentPerPrincipal: 8,
};

/** Buckets kept; beyond it the oldest go, so that random keys cannot fill the memory. */
const MAX_KEYS = 4096;

/** Token buckets by key. */
export class RateLimiter {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Takes one token of `key`: undefined when there was one, otherwise the seconds (at least 1) until there is. */
  take(key: string): number | undefined {
    const bucket = this.#refill(key);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return undefined;
    }
    return this.#secondsUntilOne(bucket.tokens);
  }

  /** Seconds until `key` has a token; undefined when it has one now. Takes nothing. */
  peek(key: string): number | undefined {
    const bucket = this.#refill(key);
    return bucket.tokens >= 1 ? undefined : this.#secondsUntilOne(bucket.tokens);
  }

  #refill(key: string): { tokens: number; at: number } {
    const now = this.#clock.monotonic();
    const old = this.#buckets.get(key);
    const gained = old === undefined ? 0 : ((now - old.at) * this.#rate.perMinute) / 60_000;
    const bucket = { tokens: Math.min(this.#rate.burst, (old?.tokens ?? this.#rate.burst) + gained), at: now };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_KEYS) {
      const oldest = this.#buckets.keys().next().value;
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return bucket;
  }

  #secondsUntilOne(tokens: number): number {
    return Math.max(1, Math.ceil(((1 - tokens) * 60) / this.#rate.perMinute));
  }
}

/** Admits tool calls: rate by effect, and how many run at once. */
export class CallGate {
  readonly #limits: CallLimits;
  readonly #calls: RateLimiter;
  readonly #scratch: RateLimiter;
  readonly #destroy: RateLimiter;
  readonly #running = new Map<string, number>();
  #total = 0;

  constructor(limits: CallLimits, clock: Clock) {
    this.#limits = limits;
    this.#calls = new RateLimiter(limits.calls, clock);
    this.#scratch = new RateLimiter(limits.scratch, clock);
    this.#destroy = new RateLimiter(limits.destroy, clock);
  }

  get running(): number {
    return this.#total;
  }

  /** Admits one call and returns the function that ends it. `goesOn`: the call continues one that was admitted before. Throws RATE_LIMITED. */
  enter(principal: string, effect: Effect, goesOn = false): () => void {
    this.#charge(principal, goesOn ? 'read' : effect);
    const mine = this.#running.get(principal) ?? 0;
    if (this.#total >= this.#limits.concurrent || mine >= this.#limits.concurrentPerPrincipal) {
      throw limited('too many calls at once', 1);
    }
    this.#total += 1;
    this.#running.set(principal, mine + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#leave(principal);
    };
  }

  #charge(principal: string, effect: Effect): void {
    const wait =
      this.#calls.take(principal) ??
      (effect === 'scratch' ? this.#scratch.take(principal) : undefined) ??
      (effect === 'destroy' ? this.#destroy.take(principal) : undefined);
    if (wait !== undefined) throw limited('too many calls in a short time', wait);
  }

  #leave(principal: string): void {
    this.#total -= 1;
    const mine = (this.#running.get(principal) ?? 1) - 1;
    if (mine === 0) this.#running.delete(principal);
    else this.#running.set(principal, mine);
  }
}

function limited(message: string, seconds: number): LitestreamError {
  return new LitestreamError('RATE_LIMITED', message, {
    details: { retry_after_seconds: seconds },
    hint: `Wait ${seconds} s, then call again.`,
  });
}
