/** A body cut into pieces of bounded size, for services that take large objects piece by piece, and the repeating of one piece. */

import { Backoff, type BackoffSettings } from '../../base/backoff.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';

export interface Part {
  /** A buffer of its own: the source may reuse its chunks. */
  readonly bytes: Buffer;
  /** From 0. */
  readonly index: number;
  /** Nothing follows; the last part may be empty if it is the only one. */
  readonly last: boolean;
}

/**
 * The bytes of `chunks` in parts of exactly `sizeOf(index)` bytes, the last one shorter. A part is handed out when it is known whether another
 * follows, and a small body never costs a large buffer. Holds one part at a time.
 */
export async function* partsOf(
  chunks: AsyncIterable<Uint8Array>,
  sizeOf: (index: number) => number,
): AsyncGenerator<Part, void, undefined> {
  let index = 0;
  let size = sizeOf(0);
  let part = new GrowingBuffer(size);
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; ) {
      if (part.length === size) {
        yield { bytes: part.bytes(), index, last: false };
        index += 1;
        size = sizeOf(index);
        part = new GrowingBuffer(size);
      }
      const taken = chunk.subarray(at, at + size - part.length);
      part.append(taken);
      at += taken.byteLength;
    }
  }
  yield { bytes: part.bytes(), index, last: true };
}

const SMALLEST_BUFFER = 16 * 1024;

class GrowingBuffer {
  readonly #limit: number;
  #buffer = Buffer.alloc(0);
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.byteLength;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#limit, Math.max(needed, 2 * this.#buffer.length, SMALLEST_BUFFER)));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = needed;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}

export interface PartRetry extends BackoffSettings {
  /** Tries of one part in all, ≥ 1. */
  readonly attempts: number;
}

/** A large upload must not begin anew because one of a thousand requests failed; what fails this often fails as a whole. */
const PART_RETRY: PartRetry = { attempts: 4, initialMs: 200, capMs: 5_000, jitter: 0.5 };

/** Repeats `send` while its error says that it may succeed, keeping to a delay the service asks for (`details.retryAfterMs`). */
export async function sendPart<T>(
  send: () => Promise<T>,
  signal: AbortSignal | undefined,
  { retry = PART_RETRY, clock = systemClock }: { readonly retry?: PartRetry; readonly clock?: Clock } = {},
): Promise<T> {
  const backoff = new Backoff(retry);
  for (;;) {
    try {
      return await send();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof LitestreamError) || error.disposition !== 'retry') throw error;
      const asked = error.details?.retryAfterMs;
      const delay = Math.max(backoff.next(), typeof asked === 'number' ? asked : 0);
      if (backoff.attempts >= retry.attempts) throw error;
      await clock.sleep(delay, signal === undefined ? {} : { signal });
    }
  }
}
