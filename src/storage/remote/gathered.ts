/** Answers gathered in a few blocks of memory: what a socket delivers in one go is handed on at once, and never waits for the collector. */

import { finished, type Readable } from 'node:stream';
import { collectYoung } from '../../base/process-memory.ts';
import { letGo } from '../body.ts';

/** Bytes after which the buffers that sockets have let go of are freed: every read of one makes a new one, which is beyond our reach. */
const COLLECT_BYTES = 8 * 1024 * 1024;

/** Bytes gathered in this thread since. */
let uncollected = 0;

/**
 * The bytes of a stream whose chunks belong to nobody else, as those of HTTP do; each piece is good until the next is asked for. What came before
 * a failure is delivered before it is thrown. The stream is destroyed at the end of the reading.
 *
 * @param blockBytes longest piece, ≥ 1; twice as much is held
 */
export async function* gathered(stream: Readable, blockBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  const gathering = new Gathering(stream, blockBytes);
  let isLookedAt = false;
  try {
    for (;;) {
      const piece = gathering.take();
      if (piece !== undefined) {
        isLookedAt = true;
        yield piece;
        isLookedAt = false;
      } else if (gathering.isAtEnd()) return;
      else await gathering.more();
    }
  } finally {
    gathering.end(isLookedAt);
  }
}

class Gathering {
  readonly #stream: Readable;
  readonly #blockBytes: number;
  /** The piece that was handed out lies in the one that is not being filled. */
  #filling: Buffer;
  #handedOut: Buffer | undefined;
  #filled = 0;
  /** Chunks that did not fit, and how many bytes of them did. */
  readonly #left: { readonly chunk: Uint8Array; readonly from: number }[] = [];
  #outcome: { readonly error: Error | null | undefined } | undefined;
  #wake: (() => void) | undefined;
  readonly #unlisten: () => void;
  readonly #onData = (chunk: Uint8Array) => this.#gather(chunk, 0);

  constructor(stream: Readable, blockBytes: number) {
    this.#stream = stream;
    this.#blockBytes = blockBytes;
    this.#filling = Buffer.allocUnsafeSlow(blockBytes);
    this.#unlisten = finished(stream, { writable: false }, (error) => {
      this.#outcome = { error };
      this.#tell();
    });
    stream.on('data', this.#onData);
  }

  /** What has been gathered since the last time. */
  take(): Uint8Array | undefined {
    if (this.#filled === 0) return undefined;
    collectAfter(this.#filled);
    const piece = this.#filling.subarray(0, this.#filled);
    const next = this.#handedOut ?? Buffer.allocUnsafeSlow(this.#blockBytes);
    this.#handedOut = this.#filling;
    this.#filling = next;
    this.#filled = 0;
    for (const { chunk, from } of this.#left.splice(0)) this.#gather(chunk, from);
    if (this.#left.length === 0) this.#stream.resume();
    return piece;
  }

  /** Nothing comes any more. Throws what the stream has ended with. */
  isAtEnd(): boolean {
    if (this.#outcome?.error != null) throw this.#outcome.error;
    return this.#outcome !== undefined;
  }

  /** Resolves when all sockets that had something have been read. */
  more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** @param isLookedAt whoever stops without asking for more may have a write under way that reads the last piece: that block is the collector's */
  end(isLookedAt: boolean): void {
    this.#unlisten();
    this.#stream.off('data', this.#onData);
    this.#stream.destroy();
    letGo(this.#filling);
    if (this.#handedOut !== undefined && !isLookedAt) letGo(this.#handedOut);
  }

  #gather(chunk: Uint8Array, from: number): void {
    const room = this.#left.length === 0 ? this.#filling.byteLength - this.#filled : 0;
    const end = Math.min(chunk.byteLength, from + room);
    this.#filling.set(chunk.subarray(from, end), this.#filled);
    this.#filled += end - from;
    if (end === chunk.byteLength) letGo(chunk);
    else {
      this.#left.push({ chunk, from: end });
      this.#stream.pause();
    }
    this.#tell();
  }

  #tell(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    if (wake !== undefined) setImmediate(wake);
  }
}

function collectAfter(bytes: number): void {
  uncollected += bytes;
  if (uncollected < COLLECT_BYTES) return;
  uncollected = 0;
  collectYoung();
}
