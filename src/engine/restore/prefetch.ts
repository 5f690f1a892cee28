/** Reads the next files while the current one is being written, within a bound of memory and of open streams. */

import type { FileInfo } from '../../replica/file-info.ts';
import { letGo } from '../../storage/body.ts';
import type { OpenedObject } from '../../storage/object-store.ts';

export interface PrefetchOptions {
  /** May deliver transient chunks. */
  readonly open: (file: FileInfo, signal: AbortSignal) => Promise<OpenedObject>;
  readonly signal: AbortSignal;
  /** Bytes held at most, overshot by one chunk per stream. Default 8 MiB: large objects are read ahead by their store as well. */
  readonly budget?: number;
  /** Streams open at once. Default 8: small files cost a round trip each. */
  readonly streams?: number;
}

interface Piece {
  readonly bytes: Uint8Array;
  /** A chunk of the store itself, which goes on when this is done with; all others are copies. */
  readonly isLent: boolean;
  isDone: boolean;
}

interface Feed {
  readonly file: FileInfo;
  readonly pieces: Piece[];
  ended: boolean;
  error?: { readonly reason: unknown };
}

const BUDGET = 8 * 1024 * 1024;
const STREAMS = 8;

/** Use: `for (const file of files) for await (const chunk of prefetch.chunks())`, in the order given, then `close`. */
export class Prefetch {
  readonly #feeds: readonly Feed[];
  readonly #open: PrefetchOptions['open'];
  readonly #budget: number;
  readonly #streams: number;
  readonly #abort = new AbortController();
  readonly #pumps = new Set<Promise<void>>();
  /** Replaced at each change; whoever waits for one looks again at what it needs. */
  #changed = Promise.withResolvers<void>();
  #current = 0;
  #next = 0;
  #held = 0;

  constructor(files: readonly FileInfo[], { open, signal, budget = BUDGET, streams = STREAMS }: PrefetchOptions) {
    this.#feeds = files.map((file) => ({ file, pieces: [], ended: false }));
    this.#open = open;
    this.#budget = budget;
    this.#streams = streams;
    const stop = () => this.#stop(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true, signal: this.#abort.signal });
  }

  /** The bytes of the next file, each chunk good until the next is asked for. Throws what opening or reading it threw. */
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    const feed = this.#feeds[this.#current];
    if (feed === undefined) return;
    while (true) {
      this.#start();
      const piece = feed.pieces.shift();
      if (piece !== undefined) {
        yield piece.bytes;
        this.#done(piece);
      } else if (feed.error !== undefined) {
        throw feed.error.reason;
      } else if (feed.ended) {
        break;
      } else {
        this.#abort.signal.throwIfAborted();
        await this.#changed.promise;
      }
    }
    this.#current++;
  }

  /** Releases every stream; resolves when they are gone. */
  async close(): Promise<void> {
    this.#stop(new Error('prefetch closed'));
    await Promise.all(this.#pumps);
  }

  #stop(reason: unknown): void {
    this.#abort.abort(reason);
    this.#signalChange();
  }

  #start(): void {
    while (this.#pumps.size < this.#streams && (this.#held < this.#budget || this.#next === this.#current)) {
      const feed = this.#feeds[this.#next];
      if (feed === undefined) return;
      this.#next++;
      const pump = this.#pump(feed).finally(() => this.#pumps.delete(pump));
      this.#pumps.add(pump);
    }
  }

  async #pump(feed: Feed): Promise<void> {
    let object: OpenedObject | undefined;
    try {
      object = await this.#open(feed.file, this.#abort.signal);
      for await (const chunk of object.body) {
        if (feed === this.#feeds[this.#current]) await this.#lend(feed, chunk);
        else await this.#keep(feed, chunk);
      }
    } catch (reason) {
      feed.error = { reason };
    } finally {
      await object?.close().catch(() => {}); // The bytes are already here or the read has failed with the better error.
      feed.ended = true;
      this.#signalChange();
    }
  }

  /** Hands a chunk on and waits until it is done with: who reads the current file needs nothing held, and the store may read ahead. */
  async #lend(feed: Feed, bytes: Uint8Array): Promise<void> {
    const piece: Piece = { bytes, isLent: true, isDone: false };
    feed.pieces.push(piece);
    this.#signalChange();
    while (!piece.isDone) {
      this.#abort.signal.throwIfAborted();
      await this.#changed.promise;
    }
  }

  /** Holds a copy of a chunk until the turn of its file has come. */
  async #keep(feed: Feed, chunk: Uint8Array): Promise<void> {
    const bytes = Buffer.allocUnsafeSlow(chunk.length);
    bytes.set(chunk);
    feed.pieces.push({ bytes, isLent: false, isDone: false });
    this.#held += bytes.length;
    this.#signalChange();
    await this.#room(feed);
  }

  #done(piece: Piece): void {
    piece.isDone = true;
    if (!piece.isLent) {
      this.#held -= piece.bytes.length;
      letGo(piece.bytes);
    }
    this.#signalChange();
  }

  /** Waits until the budget allows more. The current file may always go on when its consumer is hungry, or nothing would ever move. */
  async #room(feed: Feed): Promise<void> {
    while (!this.#abort.signal.aborted && this.#held >= this.#budget) {
      if (feed === this.#feeds[this.#current] && feed.pieces.length === 0) return;
      await this.#changed.promise;
    }
    this.#abort.signal.throwIfAborted();
  }

  #signalChange(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
