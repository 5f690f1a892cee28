/** Repeats calls whose error says that the same call may succeed later. */

import { Backoff, type BackoffSettings } from '../../base/backoff.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { CallOptions, ObjectInfo, ObjectStore, OpenedObject, OpenOptions, PutBody, PutOptions } from '../object-store.ts';
import { type ListOptions, WrappedStore } from './wrapped-store.ts';

export interface RetrySettings extends BackoffSettings {
  /** Tries of one call in all, ≥ 1. */
  readonly attempts: number;
}

const RETRY_DEFAULTS: RetrySettings = { attempts: 4, initialMs: 100, capMs: 5_000, jitter: 0.5 };

export interface RetryOptions {
  readonly settings?: RetrySettings;
  readonly clock?: Clock;
  /** Told before each repetition. */
  readonly onRetry?: (operation: string, error: LitestreamError, delayMs: number) => void;
}

/**
 * Only the disposition of an error decides. A delay asked for by the service (`details.retryAfterMs`) is kept if it is longer. A put opens its
 * body anew each time; a listing goes on after the last key it has given, with all its attempts again. Bodies of opened objects are not
 * repeated here (resumable-read.ts). A call whose signal is aborted never reaches the store.
 */
export class RetryStore extends WrappedStore {
  readonly #settings: RetrySettings;
  readonly #clock: Clock;
  readonly #onRetry: RetryOptions['onRetry'];

  constructor(inner: ObjectStore, { settings = RETRY_DEFAULTS, clock = systemClock, onRetry }: RetryOptions = {}) {
    super(inner);
    this.#settings = settings;
    this.#clock = clock;
    this.#onRetry = onRetry;
  }

  override async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    const backoff = new Backoff(this.#settings);
    let after = options.after;
    for (;;) {
      options.signal?.throwIfAborted();
      try {
        for await (const object of this.inner.list(prefix, { ...options, ...(after === undefined ? {} : { after }) })) {
          after = object.key;
          backoff.reset();
          yield object;
        }
        return;
      } catch (error) {
        await this.#wait('list', error, backoff, options.signal);
      }
    }
  }

  override open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    return this.#repeat('open', () => this.inner.open(key, options), options.signal);
  }

  override put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#repeat('put', () => this.inner.put(key, body, options), options.signal);
  }

  override stat(key: string, options: CallOptions = {}): Promise<ObjectInfo> {
    return this.#repeat('stat', () => this.inner.stat(key, options), options.signal);
  }

  override delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    return this.#repeat('delete', () => this.inner.delete(keys, options), options.signal);
  }

  async #repeat<T>(operation: string, call: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const backoff = new Backoff(this.#settings);
    for (;;) {
      signal?.throwIfAborted();
      try {
        return await call();
      } catch (error) {
        await this.#wait(operation, error, backoff, signal);
      }
    }
  }

  /** Returns when the next attempt may start; throws `error` when there is none. */
  async #wait(operation: string, error: unknown, backoff: Backoff, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (!(error instanceof LitestreamError) || error.disposition !== 'retry') throw error;
    const asked = error.details?.retryAfterMs;
    const delay = Math.max(backoff.next(), typeof asked === 'number' ? asked : 0);
    if (backoff.attempts >= this.#settings.attempts) throw error;
    this.#onRetry?.(operation, error, delay);
    await this.#clock.sleep(delay, signal === undefined ? {} : { signal });
  }
}
