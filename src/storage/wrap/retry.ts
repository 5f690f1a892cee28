/** Repeats calls whose error says that the same call may succeed later. */

import { Backoff, type BackoffSettings } from '../../base/backoff.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { CallOptions, ObjectInfo, ObjectStore, OpenedObject, OpenOptions, PutBody, PutOptions } from '../object-store.ts';
import { seldomPasses } from '../remote/seldom-passes.ts';
import type { Outage } from './outage.ts';
import { type ListOptions, WrappedStore } from './wrapped-store.ts';

export interface RetrySettings extends BackoffSettings {
  /** Tries of one call without progress, ≥ 1. */
  readonly attempts: number;
  /** From the first failure on no try begins later than this, ms; a put has as much more as its bytes take on a slow line. Default: no bound. */
  readonly totalMs?: number;
}

export const RETRY_DEFAULTS: RetrySettings = { attempts: 10, initialMs: 200, capMs: 20_000, jitter: 1, totalMs: 120_000 };

/** For a directory of this machine, where what fails is rarely the way there. */
export const LOCAL_RETRY: RetrySettings = { attempts: 4, initialMs: 100, capMs: 5_000, jitter: 0.5 };

/** Tries of one call while the destination answers nobody: the first may meet a connection that the outage has left behind. */
const LASTING_ATTEMPTS = 2;

/** Bytes per second of a line that is slow and still of use. */
const SLOW_LINE = 64 * 1024;

export interface RetryOptions {
  readonly settings?: RetrySettings;
  readonly clock?: Clock;
  /** Of the destination, with all its other clients: while it lasts little is repeated. */
  readonly outage?: Outage;
  /** Told before each repetition. */
  readonly onRetry?: (operation: string, error: LitestreamError, delayMs: number) => void;
}

/**
 * Only the disposition of an error decides. A delay asked for by the service (`details.retryAfterMs`) is kept if it is longer. A put opens its
 * body anew each time; a listing goes on after the last key it has given, with all its attempts and time again. Nothing is kept from one call
 * to the next: an outage uses up no quota that later calls would lack (upstream issue 912). Bodies of opened objects are not repeated here
 * (resumable-read.ts). Where the destination has answered nobody for minutes a call is tried twice only; where it never has, what seldom passes by
 * itself is repeated for 15 s in all. A call whose signal is aborted never reaches the store.
 */
export class RetryStore extends WrappedStore {
  readonly #settings: RetrySettings;
  readonly #clock: Clock;
  readonly #outage: Outage | undefined;
  readonly #onRetry: RetryOptions['onRetry'];

  constructor(inner: ObjectStore, { settings = RETRY_DEFAULTS, clock = systemClock, outage, onRetry }: RetryOptions = {}) {
    super(inner);
    this.#settings = settings;
    this.#clock = clock;
    this.#outage = outage;
    this.#onRetry = onRetry;
  }

  override async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    const patience = new Patience(this.#settings, this.#clock);
    let after = options.after;
    for (;;) {
      options.signal?.throwIfAborted();
      try {
        for await (const object of this.inner.list(prefix, { ...options, ...(after === undefined ? {} : { after }) })) {
          after = object.key;
          patience.renew();
          this.#outage?.ended();
          yield object;
        }
        return;
      } catch (error) {
        await this.#wait('list', error, patience, options.signal);
      }
    }
  }

  override open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    return this.#repeat('open', () => this.inner.open(key, options), options.signal);
  }

  override put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const extraMs = ((body.size ?? 0) / SLOW_LINE) * 1000;
    return this.#repeat('put', () => this.inner.put(key, body, options), options.signal, extraMs);
  }

  override stat(key: string, options: CallOptions = {}): Promise<ObjectInfo> {
    return this.#repeat('stat', () => this.inner.stat(key, options), options.signal);
  }

  override delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    return this.#repeat('delete', () => this.inner.delete(keys, options), options.signal);
  }

  async #repeat<T>(operation: string, call: () => Promise<T>, signal: AbortSignal | undefined, extraMs = 0): Promise<T> {
    const patience = new Patience(this.#settings, this.#clock, extraMs);
    for (;;) {
      signal?.throwIfAborted();
      try {
        const result = await call();
        this.#outage?.ended();
        return result;
      } catch (error) {
        await this.#wait(operation, error, patience, signal);
      }
    }
  }

  /** Returns when the next attempt may start; throws `error` when there is none. */
  async #wait(operation: string, error: unknown, patience: Patience, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (!(error instanceof LitestreamError)) throw error;
    if (error.disposition !== 'retry') {
      // It was answered, if not as wished.
      this.#outage?.ended();
      throw error;
    }
    if (isForLater(operation, error)) throw error;
    const asked = error.details?.retryAfterMs;
    const askedMs = typeof asked === 'number' ? asked : 0;
    const delay = patience.next(askedMs);
    this.#outage?.failed(error);
    if (delay === undefined || (this.#outage?.isLasting === true && patience.failures >= LASTING_ATTEMPTS)) throw error;
    const hopeMs = seldomPasses(error) ? (this.#outage?.hopeMs ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
    if (hopeMs <= askedMs) throw neverAnswered(error);
    const waitMs = Math.min(delay, hopeMs);
    this.#onRetry?.(operation, error, waitMs);
    await this.#clock.sleep(waitMs, signal === undefined ? {} : { signal });
  }
}

/** Errors that another try within seconds does not help: a put that ends too early has a source that does, and room is made by people. */
const isForLater = (operation: string, { code }: LitestreamError): boolean =>
  code === 'STORAGE_FULL' || (operation === 'put' && code === 'READ_TRUNCATED');

/** The same failure, which nobody need wait for to pass: `details.neverAnswered`. */
const neverAnswered = ({ code, message, cause, hint, details }: LitestreamError): LitestreamError =>
  new LitestreamError(code, message, {
    ...(cause === undefined ? {} : { cause }),
    ...(hint === undefined ? {} : { hint }),
    details: { ...details, neverAnswered: true },
  });

/** What is left of the attempts and the time of one call. */
class Patience {
  readonly #settings: RetrySettings;
  readonly #clock: Clock;
  readonly #totalMs: number;
  readonly #backoff: Backoff;
  #failingSince: number | undefined;

  constructor(settings: RetrySettings, clock: Clock, extraMs = 0) {
    this.#settings = settings;
    this.#clock = clock;
    this.#totalMs = (settings.totalMs ?? Number.POSITIVE_INFINITY) + extraMs;
    this.#backoff = new Backoff(settings);
  }

  /** Without an achievement in between. */
  get failures(): number {
    return this.#backoff.attempts;
  }

  /** Something was achieved: everything counts anew. */
  renew(): void {
    this.#backoff.reset();
    this.#failingSince = undefined;
  }

  /** Counts a failure. Delay before the next attempt, ms, at least `askedMs`; undefined when there is to be none. */
  next(askedMs: number): number | undefined {
    this.#failingSince ??= this.#clock.monotonic();
    const delay = Math.max(this.#backoff.next(), askedMs);
    const elapsed = this.#clock.monotonic() - this.#failingSince;
    return this.#backoff.attempts >= this.#settings.attempts || elapsed + delay > this.#totalMs ? undefined : delay;
  }
}
