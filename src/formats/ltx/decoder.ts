/** Reads one LTX file from a stream of bytes and believes nothing that it has not checked. */

import type { LTXHeader } from './header.ts';
import type { PageBatch } from './page-reader.ts';
import { type DecodedLTX, LTXPullDecoder, type PullDecoderOptions } from './pull-decoder.ts';

export type { PageBatch } from './page-reader.ts';
export type { DecodedLTX } from './pull-decoder.ts';

export interface LTXDecoderOptions extends PullDecoderOptions {
  /** Called once, before the first batch. What it throws ends the decoding. */
  readonly onHeader?: (header: LTXHeader) => void;
}

/**
 * Pushes an LTX file through: `while ((n = readSync(fd, decoder.window())) > 0) decoder.fill(n); decoder.end()`, or `push` for each chunk of a stream.
 *
 * Pages are handed on when their frames are well-formed and in order; that they are right is known only when `end` has returned.
 * After an error the decoder is of no use but must still be disposed of (`using`).
 */
export class LTXDecoder {
  readonly #decoder: LTXPullDecoder;
  readonly #onPages: (batch: PageBatch) => void;
  readonly #onHeader: ((header: LTXHeader) => void) | undefined;

  /** `onPages` gets the batches in order; their views are valid during the call only. */
  constructor(onPages: (batch: PageBatch) => void, options: LTXDecoderOptions = {}) {
    this.#decoder = new LTXPullDecoder(options);
    this.#onPages = onPages;
    this.#onHeader = options.onHeader;
  }

  /** Undefined until its 100 bytes have arrived. */
  get header(): LTXHeader | undefined {
    return this.#decoder.header;
  }

  /** Free input space in the kernel's memory, never empty. Ask anew before each read. */
  window(): Uint8Array {
    return this.#decoder.window();
  }

  /** `count` bytes were placed at the start of the window. LTX_INVALID or LTX_CHECKSUM_MISMATCH with the offset, and whatever the callbacks throw. */
  fill(count: number): void {
    const began = this.#decoder.header !== undefined;
    this.#decoder.accept(count);
    const { header } = this.#decoder;
    if (!began && header !== undefined) this.#onHeader?.(header);
    for (let batch = this.#decoder.next(); batch !== undefined; batch = this.#decoder.next()) this.#onPages(batch);
  }

  /** A chunk of any length, which is copied in. */
  push(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) {
      const part = rest.subarray(0, this.window().length);
      this.window().set(part);
      this.fill(part.length);
      rest = rest.subarray(part.length);
    }
  }

  /** The file has ended. Verifies that it is complete and right: LTX_TRUNCATED, LTX_CHECKSUM_MISMATCH, LTX_INVALID. Releases the memory. */
  end(): DecodedLTX {
    return this.#decoder.end();
  }

  /** Releases the memory of a decoder that is not ended; harmless afterwards. */
  [Symbol.dispose](): void {
    this.#decoder[Symbol.dispose]();
  }
}
