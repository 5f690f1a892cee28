/** Ends requests that have gone silent: an upload nobody takes in or answers, a page of a listing, a look at an object, a deletion. */

import { orAbort } from '../../base/abortable.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import { once } from '../body.ts';
import type { CallOptions, ObjectInfo, ObjectStore, OpenedObject, OpenOptions, PutBody, PutOptions } from '../object-store.ts';
import { StallWatch } from './stall-watch.ts';
import { type ListOptions, WrappedStore } from './wrapped-store.ts';

export interface StallSettings {
  /** Longest silence of an upload, ms, on top of the time for what it was handed and may still be sending. */
  readonly uploadMs: number;
  /** Slowest line that counts as moving, bytes per second. */
  readonly slowestLine: number;
  /** Bytes a store holds in its buffers at most. */
  readonly buffers: number;
  /** Longest wait for an answer to `open` and `stat`, and for the next object of a listing, ms. */
  readonly answerMs: number;
  /** On top of it for each key of a deletion, ms: not every service deletes several at once. */
  readonly perKeyMs: number;
}

const STALL_DEFAULTS: StallSettings = {
  uploadMs: 30_000,
  slowestLine: 32 * 1024,
  buffers: 24 * 1024 * 1024,
  answerMs: 60_000,
  perKeyMs: 500,
};

export interface StallOptions {
  readonly settings?: StallSettings;
  readonly clock?: Clock;
}

/**
 * A request that is silent for too long is STORAGE_UNAVAILABLE with `details.stalledMs`, and its own signal is aborted, so that sockets go.
 * Time in which an upload waits for its own source, or a listing for its consumer, does not count. Bodies that are read are watched elsewhere
 * (resumable-read.ts).
 */
export class StallStore extends WrappedStore {
  readonly #settings: StallSettings;
  readonly #clock: Clock;

  constructor(inner: ObjectStore, { settings = STALL_DEFAULTS, clock = systemClock }: StallOptions = {}) {
    super(inner);
    this.#settings = settings;
    this.#clock = clock;
  }

  override async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    const watch = this.#watch(`listing ${prefix === '' ? this.destination : prefix}`, options.signal);
    const iterator = this.inner.list(prefix, { ...options, signal: watch.signal })[Symbol.asyncIterator]();
    let ended = false;
    try {
      for (;;) {
        watch.expect(this.#settings.answerMs);
        const result = await orAbort(iterator.next(), watch.signal);
        watch.rest();
        if (result.done === true) {
          ended = true;
          return;
        }
        yield result.value;
      }
    } catch (error) {
      ended = true;
      // It may hang in ending, too.
      iterator.return?.().then(undefined, () => {});
      throw error;
    } finally {
      watch.end();
      if (!ended) await iterator.return?.();
    }
  }

  override async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const watch = this.#watch(`opening ${key}`, options.signal);
    watch.expect(this.#settings.answerMs);
    try {
      const opening = this.inner.open(key, { ...options, signal: watch.signal });
      // An answer that comes after all must not keep its connection.
      opening.then((late) => (watch.signal.aborted ? late.close() : undefined)).catch(() => {});
      const opened = await orAbort(opening, watch.signal);
      watch.rest();
      const close = async () => {
        watch.end();
        await opened.close();
      };
      return { ...opened, body: once(key, () => endingWith(opened.body, watch)), close };
    } catch (error) {
      watch.end();
      throw error;
    }
  }

  override put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#within(`upload of ${key}`, this.#settings.uploadMs, options, (signal, watch) => {
      const watched: PutBody = {
        ...(body.size === undefined ? {} : { size: body.size }),
        open: (use) => this.#handing(body.open(use), watch),
      };
      return this.inner.put(key, watched, { ...options, signal });
    });
  }

  override stat(key: string, options: CallOptions = {}): Promise<ObjectInfo> {
    return this.#within(`looking at ${key}`, this.#settings.answerMs, options, (signal) => this.inner.stat(key, { ...options, signal }));
  }

  override delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    const { answerMs, perKeyMs } = this.#settings;
    const what = keys.length === 1 ? `deleting ${keys[0]}` : `deleting ${keys.length} objects of ${this.destination}`;
    return this.#within(what, answerMs + perKeyMs * keys.length, options, (signal) => this.inner.delete(keys, { ...options, signal }));
  }

  /** The chunks of a body; the store is expected to come back for more, or to answer, in a time that grows with what it has. */
  async *#handing(body: AsyncIterable<Uint8Array>, watch: StallWatch): AsyncGenerator<Uint8Array> {
    const { uploadMs, slowestLine, buffers } = this.#settings;
    let handed = 0;
    const limit = () => uploadMs + (Math.min(handed, buffers) / slowestLine) * 1000;
    watch.rest();
    try {
      for await (const chunk of body) {
        handed += chunk.byteLength;
        watch.expect(limit());
        yield chunk;
        watch.rest();
      }
    } finally {
      watch.expect(limit());
    }
  }

  async #within<T>(
    what: string,
    ms: number,
    { signal }: CallOptions,
    work: (signal: AbortSignal, watch: StallWatch) => Promise<T>,
  ): Promise<T> {
    const watch = this.#watch(what, signal);
    watch.expect(ms);
    try {
      return await orAbort(work(watch.signal, watch), watch.signal);
    } finally {
      watch.end();
    }
  }

  #watch(what: string, signal: AbortSignal | undefined): StallWatch {
    return new StallWatch(this.#clock, signal, (ms) => stalled(this, what, ms));
  }
}

const stalled = ({ type, destination }: ObjectStore, what: string, ms: number): LitestreamError =>
  new LitestreamError('STORAGE_UNAVAILABLE', `${what} stalled for ${Math.round(ms / 1000)} s (${type}, ${destination})`, {
    details: { stalledMs: ms },
    hint: 'The connection stands but nothing moves: look at the network and at the service.',
  });

async function* endingWith(body: AsyncIterable<Uint8Array>, watch: StallWatch): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    watch.end();
  }
}
