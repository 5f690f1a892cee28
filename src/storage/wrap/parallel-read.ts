/** Large objects in several ranges at once: one connection to a far service carries a part only of what the line could. */

import { letGo, once } from '../body.ts';
import type { ObjectStore, OpenedObject, OpenOptions } from '../object-store.ts';
import { sameVersion } from '../same-version.ts';
import { WrappedStore } from './wrapped-store.ts';

export interface ParallelReadSettings {
  /** Bytes of a range. Smaller objects are read as they are. */
  readonly windowBytes: number;
  /** Ranges fetched ahead of the reader, over all readers of the store: so much memory, and so many requests, more than without. */
  readonly ahead: number;
}

const PARALLEL_READ_DEFAULTS: ParallelReadSettings = { windowBytes: 4 * 1024 * 1024, ahead: 4 };

/** Bytes of a range that are handed on at once. */
const PIECE_BYTES = 1024 * 1024;

/** Who stops reading early must not have asked for the rest. */
const EARNEST_BYTES = 512 * 1024;

/** Ranges follow each other without a seam; versions that differ are PRECONDITION_FAILED where the store tells them (resumable-read.ts). */
export class ParallelReadStore extends WrappedStore {
  readonly #windowBytes: number;
  readonly #places: Places;

  constructor(inner: ObjectStore, { windowBytes, ahead }: ParallelReadSettings = PARALLEL_READ_DEFAULTS) {
    super(inner);
    this.#windowBytes = windowBytes;
    this.#places = new Places(ahead, windowBytes);
  }

  override async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const { offset = 0, length = Number.POSITIVE_INFINITY } = options;
    if (!this.capabilities.rangeRead || length <= this.#windowBytes) return this.inner.open(key, options);
    const first = await this.inner.open(key, { ...options, length: this.#windowBytes });
    const end = Math.min(first.size ?? Number.NaN, offset + length);
    // Without a size nobody knows where it ends; the rest follows in one piece.
    const reading = new WindowedReading(this.inner, key, { first, offset, end, options }, this.#windowBytes, this.#places);
    return { size: first.size, tag: first.tag, body: once(key, () => reading.chunks()), close: () => reading.close() };
  }
}

/**
 * How many ranges may be fetched ahead; whoever finds none free reads on without. Their memory is used again for as long as anybody reads: what
 * a connection delivers is copied there at once, and never waits for the collector.
 */
class Places {
  readonly #count: number;
  readonly #windowBytes: number;
  readonly #buffers: Buffer[] = [];
  #taken = 0;

  constructor(count: number, windowBytes: number) {
    this.#count = count;
    this.#windowBytes = windowBytes;
  }

  take(): boolean {
    if (this.#taken === this.#count) return false;
    this.#taken += 1;
    return true;
  }

  /** Memory for a range. */
  buffer(): Buffer {
    return this.#buffers.pop() ?? Buffer.allocUnsafeSlow(this.#windowBytes);
  }

  /** With the memory, where certainly nobody looks at it any more; otherwise it is the collector's. */
  giveBack(buffer: Buffer | undefined): void {
    this.#taken -= 1;
    if (buffer !== undefined) this.#buffers.push(buffer);
    if (this.#taken === 0) for (const idle of this.#buffers.splice(0)) letGo(idle);
  }
}

interface Extent {
  readonly first: OpenedObject;
  readonly offset: number;
  /** First byte that is not wanted; NaN when it is not known. */
  readonly end: number;
  readonly options: OpenOptions;
}

/** A range that is fetched, or about to be. */
interface Ahead {
  readonly fetching: Promise<Uint8Array>;
  /** To be used again afterwards. */
  readonly buffer: Buffer | undefined;
}

class WindowedReading {
  readonly #inner: ObjectStore;
  readonly #key: string;
  readonly #extent: Extent;
  readonly #windowBytes: number;
  readonly #places: Places;
  readonly #stop = new AbortController();
  readonly #ahead: Ahead[] = [];
  #current: OpenedObject | undefined;
  /** Where the next range begins that nobody has asked for. */
  #next: number;
  #closed = false;

  constructor(inner: ObjectStore, key: string, extent: Extent, windowBytes: number, places: Places) {
    this.#inner = inner;
    this.#key = key;
    this.#extent = extent;
    this.#windowBytes = windowBytes;
    this.#places = places;
    this.#current = extent.first;
    this.#next = extent.offset + windowBytes;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { signal } = this.#extent.options;
    const onAbort = () => this.#stop.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    try {
      yield* this.#direct(this.#extent.first);
      if (Number.isNaN(this.#extent.end)) yield* this.#direct(await this.#openRest());
      else yield* this.#rest();
    } finally {
      signal?.removeEventListener('abort', onAbort);
      await this.close();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop.abort(new Error(`reading ${this.#key} has ended`));
    await this.#current?.close();
    for (const { fetching, buffer } of this.#ahead.splice(0)) {
      await fetching.catch(() => {}); // nobody wants it any more
      this.#places.giveBack(buffer);
    }
  }

  async *#rest(): AsyncGenerator<Uint8Array> {
    for (;;) {
      this.#fetchAhead();
      const ahead = this.#ahead.shift();
      if (ahead !== undefined) {
        let isLookedAt = true;
        try {
          yield* this.#refilling(await ahead.fetching);
          isLookedAt = false;
        } finally {
          // Whoever stops in between may have a write under way that reads the last piece.
          this.#places.giveBack(isLookedAt ? undefined : ahead.buffer);
        }
      } else if (this.#next < this.#extent.end) yield* this.#direct(await this.#openWindow(this.#options()));
      else return;
    }
  }

  /** The chunks of a range that is read as it comes. */
  async *#direct(opened: OpenedObject): AsyncGenerator<Uint8Array> {
    this.#current = opened;
    let read = 0;
    for await (const chunk of opened.body) {
      read += chunk.byteLength;
      if (read >= EARNEST_BYTES) this.#fetchAhead();
      yield chunk;
    }
  }

  async *#refilling(range: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < range.byteLength; at += PIECE_BYTES) {
      this.#fetchAhead();
      yield range.subarray(at, at + PIECE_BYTES);
    }
  }

  #fetchAhead(): void {
    while (!this.#closed && this.#next < this.#extent.end && this.#places.take()) {
      const options = this.#options();
      const buffer = options.transient === true ? this.#places.buffer() : undefined;
      const fetching = this.#fetch(options, buffer ?? Buffer.allocUnsafeSlow(options.length));
      fetching.catch(() => {}); // told when its turn comes
      this.#ahead.push({ fetching, buffer });
    }
  }

  /** The next range, which is then taken. */
  #options(): OpenOptions & { readonly length: number } {
    const offset = this.#next;
    this.#next = Math.min(offset + this.#windowBytes, this.#extent.end);
    return { ...this.#extent.options, signal: this.#stop.signal, offset, length: this.#next - offset };
  }

  async #fetch(options: OpenOptions, into: Buffer): Promise<Uint8Array> {
    const opened = await this.#openWindow({ ...options, transient: true });
    try {
      let filled = 0;
      for await (const chunk of opened.body) {
        into.set(chunk, filled);
        filled += chunk.byteLength;
      }
      return into.subarray(0, filled);
    } finally {
      await opened.close();
    }
  }

  async #openWindow(options: OpenOptions): Promise<OpenedObject> {
    return sameVersion(this.#key, this.#extent.first, await this.#inner.open(this.#key, options), options.offset ?? 0);
  }

  #openRest(): Promise<OpenedObject> {
    const { options, offset } = this.#extent;
    const length = options.length === undefined ? {} : { length: options.length - this.#windowBytes };
    return this.#openWindow({ ...options, offset: offset + this.#windowBytes, ...length });
  }
}
