/** Reads one LTX file from a stream of bytes and believes nothing that it has not checked. */

import type { Kernel } from '../kernel/kernel.ts';
import type { LTXHeader } from './header.ts';
import type { LTXTrailer } from './trailer.ts';

/** Decoded pages; the views are valid during the call only. */
export interface PageBatch {
  readonly count: number;
  /** Ascending. */
  readonly pgnos: Uint32Array;
  /** `count` pages, one behind the other. */
  readonly pages: Uint8Array;
}

export interface LTXDecoderOptions {
  /** Called once, before the first batch. What it throws ends the decoding. */
  readonly onHeader?: (header: LTXHeader) => void;
  /** Names the file in messages. */
  readonly name?: string;
  /** Bytes of input space, and most pages of a batch. Default about 1 MiB each. */
  readonly windowBytes?: number;
  /** Default: the kernel of this thread. */
  readonly kernel?: Kernel;
}

export interface DecodedLTX {
  readonly header: LTXHeader;
  readonly trailer: LTXTrailer;
  /** Number of pages. */
  readonly pages: number;
  /** Bytes. */
  readonly size: number;
}

/** Use: `while ((n = readSync(fd, decoder.window())) > 0) decoder.fill(n); decoder.end()`. */
export class LTXDecoder {
  constructor(_onPages: (batch: PageBatch) => void, _options: LTXDecoderOptions = {}) {
    throw new Error('not written yet');
  }

  /** Undefined until its 100 bytes have arrived. */
  get header(): LTXHeader | undefined {
    throw new Error('not written yet');
  }

  /** Free input space, never empty. Ask anew before each read. */
  window(): Uint8Array {
    throw new Error('not written yet');
  }

  /** `count` bytes were placed at the start of the window. LTX_INVALID, LTX_CHECKSUM_MISMATCH with the offset. */
  fill(_count: number): void {
    throw new Error('not written yet');
  }

  /** As window and fill, for a chunk of any length: copies it in. */
  push(_chunk: Uint8Array): void {
    throw new Error('not written yet');
  }

  /** The file has ended. Verifies that it is complete: LTX_TRUNCATED, LTX_INVALID, LTX_CHECKSUM_MISMATCH. Releases the memory. */
  end(): DecodedLTX {
    throw new Error('not written yet');
  }

  /** Releases the memory of a decoder that is not ended; harmless afterwards. */
  [Symbol.dispose](): void {}
}
