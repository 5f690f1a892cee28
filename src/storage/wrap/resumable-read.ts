/** Bodies that survive dropped, short and silent connections: reading goes on at the byte where it broke off. */

import { Backoff, type BackoffSettings } from '../../base/backoff.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import { once } from '../body.ts';
import type { ObjectStore, OpenedObject, OpenOptions } from '../object-store.ts';
import { sameVersion } from '../same-version.ts';
import { StallWatch } from './stall-watch.ts';
import { WrappedStore } from './wrapped-store.ts';

export interface ResumableReadSettings extends BackoffSettings {
  /** Reopenings in a row without a byte in between. */
  readonly attempts: number;
  /** Longest wait for the next bytes, ms, counted only while a reader waits for them. */
  readonly stallMs: number;
}

const RESUMABLE_READ_DEFAULTS: ResumableReadSettings = { attempts: 4, initialMs: 250, capMs: 5_000, jitter: 0.5, stallMs: 30_000 };

export interface ResumableReadOptions {
  readonly settings?: ResumableReadSettings;
  readonly clock?: Clock;
}

/**
 * Errors of disposition "retry", an end before the known size, and a stall reopen the object where it broke off; any byte received renews
 * the attempts. A reopened object whose tag or size differs is PRECONDITION_FAILED, because two versions must not be spliced. Not found,
 * cancellation and all other errors pass through at once.
 */
export class ResumableReadStore extends WrappedStore {
  readonly #settings: ResumableReadSettings;
  readonly #clock: Clock;

  constructor(inner: ObjectStore, { settings = RESUMABLE_READ_DEFAULTS, clock = systemClock }: ResumableReadOptions = {}) {
    super(inner);
    this.#settings = settings;
    this.#clock = clock;
  }

  override async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const first = await this.inner.open(key, options);
    const reading = new Reading(this.inner, key, options, first, this.#settings, this.#clock);
    return { size: first.size, tag: first.tag, body: once(key, () => reading.chunks()), close: () => reading.close() };
  }
}

class Reading {
  readonly #inner: ObjectStore;
  readonly #key: string;
  readonly #options: OpenOptions;
  readonly #first: OpenedObject;
  readonly #settings: ResumableReadSettings;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #current: OpenedObject;
  #delivered = 0;
  #closed = false;
  #watch: StallWatch | undefined;
  /** Ends the wait for the next bytes. */
  #giveUp: ((reason: unknown) => void) | undefined;

  constructor(inner: ObjectStore, key: string, options: OpenOptions, first: OpenedObject, settings: ResumableReadSettings, clock: Clock) {
    this.#inner = inner;
    this.#key = key;
    this.#options = options;
    this.#first = first;
    this.#current = first;
    this.#settings = settings;
    this.#clock = clock;
    this.#backoff = new Backoff(settings);
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        try {
          yield* this.#untilBroken();
          return;
        } catch (error) {
          await this.#recover(error);
        }
      }
    } finally {
      await this.close();
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    if (this.#giveUp === undefined) this.#watch?.end();
    return this.#current.close();
  }

  /** The rest of the current stream; throws when it ends too early. */
  async *#untilBroken(): AsyncGenerator<Uint8Array> {
    const iterator = this.#current.body[Symbol.asyncIterator]();
    const watch = new StallWatch(this.#clock, undefined, () => this.#stalled());
    watch.signal.addEventListener('abort', () => this.#giveUp?.(watch.signal.reason), { once: true });
    this.#watch = watch;
    try {
      for (;;) {
        const result = await this.#orStall(iterator, watch);
        if (result.done === true) break;
        this.#delivered += result.value.byteLength;
        this.#backoff.reset();
        yield result.value;
      }
    } finally {
      watch.end();
    }
    const expected = this.#expected();
    if (expected === undefined || this.#delivered >= expected) return;
    throw new LitestreamError('READ_TRUNCATED', `${this.#key} ended after ${this.#delivered} of ${expected} bytes`);
  }

  /** Bytes this reading has to deliver, when the object's size is known. */
  #expected(): number | undefined {
    const { offset = 0, length } = this.#options;
    const { size } = this.#first;
    if (size === undefined) return undefined;
    const rest = Math.max(0, size - offset);
    return length === undefined ? rest : Math.min(rest, length);
  }

  async #recover(error: unknown): Promise<void> {
    // Not awaited: a stream that hangs may hang in closing too.
    this.#current.close().catch(() => {});
    for (let failure = error; ; ) {
      if (this.#closed) throw failure;
      this.#options.signal?.throwIfAborted();
      if (!(failure instanceof LitestreamError) || failure.disposition !== 'retry') throw failure;
      const delay = this.#backoff.next();
      if (this.#backoff.attempts > this.#settings.attempts) throw failure;
      await this.#clock.sleep(delay, this.#options.signal === undefined ? {} : { signal: this.#options.signal });
      try {
        await this.#reopen();
        return;
      } catch (reopenError) {
        failure = reopenError;
      }
    }
  }

  async #reopen(): Promise<void> {
    const { offset = 0, length } = this.#options;
    const rest = length === undefined ? {} : { length: length - this.#delivered };
    const again = await this.#inner.open(this.#key, { ...this.#options, offset: offset + this.#delivered, ...rest });
    this.#current = await sameVersion(this.#key, this.#first, again, offset + this.#delivered);
  }

  /** The next chunk, or STORAGE_UNAVAILABLE when it takes longer than the stall limit. One timer serves a whole stream. */
  async #orStall(iterator: AsyncIterator<Uint8Array>, watch: StallWatch): Promise<IteratorResult<Uint8Array>> {
    watch.expect(this.#settings.stallMs);
    try {
      return await new Promise((resolve, reject) => {
        this.#giveUp = reject;
        iterator.next().then(resolve, reject);
      });
    } finally {
      this.#giveUp = undefined;
      watch.rest();
      if (this.#closed) watch.end();
    }
  }

  #stalled(): LitestreamError {
    return new LitestreamError('STORAGE_UNAVAILABLE', `reading ${this.#key} stalled: no byte for ${this.#settings.stallMs / 1000} s`);
  }
}
