/** Writes one LTX file: pages in, bytes out, with every rule a reader would enforce checked before it is broken. */

import type { Kernel } from '../kernel/kernel.ts';
import type { Checksum } from './checksum.ts';
import type { LTXHeader, LTXHeaderInit } from './header.ts';

/** Receives the file in order. Called synchronously; a chunk is valid during the call only. */
export type ChunkSink = (chunk: Uint8Array) => void;

/** How pages are stored: v3-block (flag bit 0, LZ4 block) or v3-frame (LZ4 frame, readable by every 0.5.x). */
export type PageForm = 'block' | 'frame';

export interface LTXEncoderOptions {
  /** Default `block`. */
  readonly pageForm?: PageForm;
  /**
   * Every page in (`after`, `upTo`] except the lock page has to be written, PAGE_MISSING otherwise: the growth rule, with the previous commit as `after`.
   * Files from TXID 1 need every page 1…commit in any case.
   */
  readonly required?: { readonly after: number; readonly upTo: number };
  /** Default: the kernel of this thread. */
  readonly kernel?: Kernel;
}

export interface EncodedLTX {
  readonly header: LTXHeader;
  /** Bytes. */
  readonly size: number;
  readonly fileChecksum: Checksum;
  /** Number of pages. */
  readonly pages: number;
}

export class LTXEncoder {
  readonly header: LTXHeader;

  /** Throws LTX_INVALID when the header breaks a rule. The header goes to the sink with the first chunk. */
  constructor(_sink: ChunkSink, _header: LTXHeaderInit, _options: LTXEncoderOptions = {}) {
    throw new Error('not written yet');
  }

  /** Most pages of one `writePages`: about 1 MiB. */
  get maxRun(): number {
    throw new Error('not written yet');
  }

  /** Adds pages `firstPgno` … `firstPgno + count − 1`. `fill` must set all `count * pageSize` bytes of `into`, which lies in the kernel's memory: read a file straight into it. */
  writePages(_firstPgno: number, _count: number, _fill: (into: Uint8Array) => void): void {
    throw new Error('not written yet');
  }

  /** Adds one page. */
  writePage(_pgno: number, _fill: (into: Uint8Array) => void): void {
    throw new Error('not written yet');
  }

  /** Checks completeness (PAGE_MISSING), writes index and trailer, releases the memory. */
  finish(): EncodedLTX {
    throw new Error('not written yet');
  }

  /** Releases the memory of an encoder that is not finished; harmless afterwards. */
  [Symbol.dispose](): void {}
}
