/** The steps of decoding one LTX file, taken by whoever drives: bytes are placed, batches of pages asked for, the end declared. */

import { viewOf } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { CHECKSUM_FLAG, type Checksum, formatChecksum, fromCRC, NO_CHECKSUM, rollChecksum } from './checksum.ts';
import { decodeHeader, isSnapshot, LTX_HEADER_SIZE, type LTXHeader } from './header.ts';
import { IndexCheck } from './index-check.ts';
import { describeStop } from './malformed-page.ts';
import { PAGE_HEADER_SIZE } from './page-frame.ts';
import { INDEX_SIZE_FIELD } from './page-index.ts';
import { PageOrder, requiredPages } from './page-order.ts';
import { type PageBatch, PageReader, type StoredRun } from './page-reader.ts';
import { threadKernel } from './thread-kernel.ts';
import { decodeTrailer, LTX_TRAILER_SIZE, type LTXTrailer } from './trailer.ts';

/** Input space and pages of one batch. */
const DEFAULT_WINDOW = 1024 * 1024;
/** Everything behind the entries of the index. */
const TAIL_SIZE = INDEX_SIZE_FIELD + LTX_TRAILER_SIZE;

export interface PullDecoderOptions {
  /** Names the file in messages. */
  readonly name?: string;
  /** Bytes of input space, and of the pages of a batch; raised to what one page needs. Default 1 MiB. */
  readonly windowBytes?: number;
  /** Default: the kernel of this thread. */
  readonly kernel?: Kernel;
}

export interface DecodedLTX {
  readonly header: LTXHeader;
  readonly trailer: LTXTrailer;
  /** Number of pages. */
  readonly pages: number;
  /** Bytes of the file. */
  readonly size: number;
  /** Broken rules that do not touch the content, as sentences. */
  readonly warnings: readonly string[];
}

export class LTXPullDecoder {
  readonly #name: string;
  readonly #windowBytes: number;
  readonly #kernel: Kernel;
  readonly #check: IndexCheck;
  readonly #headerBytes = new Uint8Array(LTX_HEADER_SIZE);
  readonly #tail = new Uint8Array(TAIL_SIZE);
  #phase: 'header' | 'pages' | 'index' | 'tail' | 'failed' | 'closed' = 'header';
  /** Bytes of the current small part (header, tail) that are there. */
  #have = 0;
  #header: LTXHeader | undefined;
  #reader: PageReader | undefined;
  #order: PageOrder | undefined;
  #pages = 0;
  /** Bytes of the index that are still to come, and how many there are. */
  #indexLeft = 0;
  #indexSize = 0;
  #rolling: Checksum = CHECKSUM_FLAG;

  constructor(options: PullDecoderOptions = {}) {
    this.#name = options.name === undefined ? 'an LTX file' : `LTX file ${options.name}`;
    this.#windowBytes = options.windowBytes ?? DEFAULT_WINDOW;
    this.#kernel = options.kernel ?? threadKernel();
    this.#check = new IndexCheck(this.#kernel);
  }

  /** Undefined until its 100 bytes have arrived. */
  get header(): LTXHeader | undefined {
    return this.#header;
  }

  /** Free input space, never empty; ask anew before each read. Its first 100 bytes are a part of their own. */
  window(): Uint8Array {
    this.#expectOpen();
    return this.#reader === undefined ? this.#headerBytes.subarray(this.#have) : this.#reader.window();
  }

  /** `count` bytes were placed at the start of the window. Throws as `decodeHeader` when they complete the header. */
  accept(count: number): void {
    if (!Number.isInteger(count) || count < 0 || count > this.window().length) {
      throw new LitestreamError('INTERNAL', `decoding ${this.#name}: ${count} bytes cannot have been placed in the window`);
    }
    if (this.#reader !== undefined) this.#reader.placed(count);
    else {
      this.#have += count;
      if (this.#have === LTX_HEADER_SIZE) this.#begin();
    }
  }

  /** The next pages, or undefined when more bytes are needed or the pages have all come. LTX_INVALID, LTX_CHECKSUM_MISMATCH for bytes that cannot be right. */
  next(): PageBatch | undefined {
    this.#expectOpen();
    const reader = this.#reader;
    if (reader === undefined) return undefined;
    while (this.#phase === 'pages') {
      const { stop, count, cause } = reader.decode();
      if (count > 0) this.#inspect(reader, count);
      if (stop === 'end-marker') this.#endPages(reader);
      else if (stop !== 'full' && stop !== 'incomplete') {
        const found = describeStop(stop, reader.peek(64), cause);
        throw this.#error(found.code, reader.offset, found.text, cause);
      }
      if (count > 0) return reader.batch(count);
      if (stop === 'incomplete') return undefined;
    }
    this.#readRest(reader);
    return undefined;
  }

  /** As the file stores them: leading pages in block form among `count` of the last batch from `index` on (PageReader.stored). */
  stored(index: number, count: number): StoredRun | undefined {
    return this.#reader?.stored(index, count);
  }

  /** The file has ended. LTX_TRUNCATED when it is not complete, LTX_CHECKSUM_MISMATCH, LTX_INVALID. Releases the memory. */
  end(): DecodedLTX {
    this.#expectOpen();
    const { header, reader } = this.#expectComplete();
    const size = reader.offset;
    const trailer = decodeTrailer(this.#tail);
    const computed = fromCRC(this.#kernel.crc64Bytes(reader.crc, this.#tail.subarray(0, TAIL_SIZE - 8)));
    if (computed !== trailer.fileChecksum) {
      const found = `the file checksum is ${formatChecksum(trailer.fileChecksum)}, its content gives ${formatChecksum(computed)}`;
      throw this.#error('LTX_CHECKSUM_MISMATCH', size - 8, found);
    }
    if (viewOf(this.#tail).getBigUint64(0) !== BigInt(this.#indexSize) || !this.#check.matches()) {
      throw this.#error('LTX_INVALID', size - TAIL_SIZE - this.#indexSize, 'the page index does not list the pages of the file');
    }
    if (!header.noChecksum && isSnapshot(header) && trailer.postApplyChecksum !== this.#rolling) {
      const found = `the post-apply checksum is ${formatChecksum(trailer.postApplyChecksum)}, the pages give ${formatChecksum(this.#rolling)}`;
      throw this.#error('LTX_CHECKSUM_MISMATCH', size - LTX_TRAILER_SIZE, found);
    }
    this[Symbol.dispose]();
    return { header, trailer, pages: this.#pages, size, warnings: warn(header, trailer) };
  }

  /** Releases the memory of a decoder that is not ended; harmless afterwards. */
  [Symbol.dispose](): void {
    this.#phase = 'closed';
    this.#reader?.release();
    this.#reader = undefined;
  }

  #begin(): void {
    let header: LTXHeader;
    try {
      header = decodeHeader(this.#headerBytes);
    } catch (cause) {
      this.#phase = 'failed';
      if (!(cause instanceof LitestreamError)) throw cause;
      throw new LitestreamError(cause.code, `decoding ${this.#name}: ${cause.message}`, {
        cause,
        ...(cause.details && { details: cause.details }),
      });
    }
    const { pageSize, commit } = header;
    const shape = { pageSize, windowBytes: this.#windowBytes };
    this.#reader = new PageReader(this.#kernel, shape, LTX_HEADER_SIZE, this.#kernel.crc64Bytes(0n, this.#headerBytes));
    this.#order = new PageOrder({ pageSize, commit, required: requiredPages(header) });
    this.#header = header;
    this.#phase = 'pages';
    this.#have = 0;
  }

  #inspect(reader: PageReader, count: number): void {
    const { header } = this;
    const sums = header !== undefined && !header.noChecksum && isSnapshot(header) ? header.pageSize : undefined;
    reader.eachFrame(count, (pgno, offset, length, ptr) => {
      const problem = this.#order?.add(pgno, 1);
      if (problem !== undefined) throw this.#error('LTX_INVALID', offset, problem.text);
      this.#check.addFrame(pgno, offset, length);
      if (sums !== undefined) this.#rolling = rollChecksum(this.#rolling, this.#kernel.pageChecksum(pgno, ptr, sums) as Checksum);
    });
    this.#pages += count;
  }

  #endPages(reader: PageReader): void {
    const problem = this.#order?.finish();
    if (problem !== undefined) throw this.#error('LTX_INVALID', reader.offset, problem.text);
    reader.consume(PAGE_HEADER_SIZE);
    this.#indexSize = this.#check.close();
    this.#indexLeft = this.#indexSize;
    this.#phase = 'index';
  }

  #readRest(reader: PageReader): void {
    if (this.#phase === 'index') {
      const count = Math.min(this.#indexLeft, reader.available);
      this.#check.addFound(reader.consume(count), count);
      this.#indexLeft -= count;
      if (this.#indexLeft === 0) this.#phase = 'tail';
    }
    if (this.#phase !== 'tail' || reader.available === 0) return;
    const part = reader.peek(TAIL_SIZE - this.#have);
    if (part.length === 0)
      throw this.#error('LTX_INVALID', reader.offset, 'bytes follow where the trailer should end, or the page index is too long');
    this.#tail.set(part, this.#have);
    this.#have += part.length;
    reader.skip(part.length);
    if (reader.available > 0) this.#readRest(reader);
  }

  #expectComplete(): { readonly header: LTXHeader; readonly reader: PageReader } {
    const [header, reader] = [this.#header, this.#reader];
    const complete = this.#phase === 'tail' && this.#have === TAIL_SIZE;
    if (header !== undefined && reader !== undefined && complete) return { header, reader };
    const size = reader === undefined ? this.#have : reader.offset + reader.available;
    const place =
      this.#phase === 'tail' ? 'trailer' : this.#phase === 'index' ? 'page index' : this.#phase === 'header' ? 'header' : 'page block';
    throw this.#error('LTX_TRUNCATED', size, `the file ends in its ${place}`);
  }

  #expectOpen(): void {
    if (this.#phase !== 'failed' && this.#phase !== 'closed') return;
    throw new LitestreamError('INTERNAL', `decoding ${this.#name}: the decoder ${this.#phase === 'failed' ? 'has failed' : 'is closed'}`);
  }

  #error(
    code: 'LTX_INVALID' | 'LTX_TRUNCATED' | 'LTX_CHECKSUM_MISMATCH',
    offset: number,
    reason: string,
    cause?: unknown,
  ): LitestreamError {
    // What follows a refused byte must not be believed, whatever the caller does next.
    this.#phase = 'failed';
    return new LitestreamError(code, `decoding ${this.#name}: ${reason} (offset ${offset})`, { cause, details: { offset } });
  }
}

function warn(header: LTXHeader, trailer: LTXTrailer): string[] {
  if (header.noChecksum && trailer.postApplyChecksum !== NO_CHECKSUM)
    return ['the file keeps no database checksums but has a post-apply checksum'];
  if (!header.noChecksum && (trailer.postApplyChecksum & CHECKSUM_FLAG) === 0n) return ['the post-apply checksum is missing'];
  return [];
}
