/** Writes one LTX file: pages in, bytes out; whatever a reader would refuse is refused here first. */

import { type ErrorCode, LitestreamError } from '../../base/errors.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { CHECKSUM_FLAG, type Checksum, fromCRC, NO_CHECKSUM } from './checksum.ts';
import { describeRange, encodeHeader, isSnapshot, type LTXHeader, type LTXHeaderInit, makeHeader } from './header.ts';
import { END_MARKER, type PageForm } from './page-frame.ts';
import { PageIndexBuilder } from './page-index.ts';
import { PageOrder, type PageOrderRule, type PageProblem, requiredPages } from './page-order.ts';
import type { StoredRun } from './page-reader.ts';
import { PageWriter } from './page-writer.ts';
import { threadKernel } from './thread-kernel.ts';
import { encodeTrailer } from './trailer.ts';

export type { PageForm } from './page-frame.ts';

/** Pieces smaller than half of this are handed on together. */
const SMALL_BYTES = 64 * 1024;
const isLarge = (length: number): boolean => length > SMALL_BYTES / 2;

/** Receives the file in order. Called synchronously; a chunk is valid during the call only. */
export type ChunkSink = (chunk: Uint8Array) => void;

export interface LTXEncoderOptions {
  /** Default `block`. */
  readonly pageForm?: PageForm;
  /**
   * Every page in (`after`, `upTo`] except the lock page has to be written, PAGE_MISSING otherwise: the growth rule, with the previous commit as `after`.
   * Files from TXID 1 need every page 1…commit in any case. Default: none.
   */
  readonly required?: PageOrderRule['required'];
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
  readonly #sink: ChunkSink;
  readonly #kernel: Kernel;
  readonly #order: PageOrder;
  readonly #pages: PageWriter;
  readonly #index = new PageIndexBuilder();
  /** `failed` while the sink is at work: what it throws leaves a file that must not be finished. */
  #state: 'open' | 'failed' | 'closed' = 'open';
  #headerBytes: Uint8Array | undefined;
  /** Bytes that wait to be handed on. */
  readonly #small = new Uint8Array(SMALL_BYTES);
  #waiting = 0;
  #size = 0;
  #count = 0;

  /** Throws LTX_INVALID when the header breaks a rule. Nothing reaches the sink before the first batch is full or `finish` is called. */
  constructor(sink: ChunkSink, header: LTXHeaderInit, options: LTXEncoderOptions = {}) {
    this.header = makeHeader(header);
    const { pageSize, commit } = this.header;
    this.#headerBytes = encodeHeader(this.header);
    this.#sink = sink;
    this.#kernel = options.kernel ?? threadKernel();
    const required = isSnapshot(this.header) ? requiredPages(this.header) : (options.required ?? requiredPages(this.header));
    this.#order = new PageOrder({ pageSize, commit, required });
    this.#pages = new PageWriter(this.#kernel, pageSize, options.pageForm ?? 'block', this.#kernel.crc64Bytes(0n, this.#headerBytes));
  }

  /** Most pages of one `writePages`: about 1 MiB, at least one. */
  get maxRun(): number {
    return this.#pages.capacity;
  }

  /**
   * Adds pages `firstPgno` … `firstPgno + count − 1`, `count` at most `maxRun`. `fill` must set all `count * pageSize` bytes of `into`, which lies in the
   * kernel's memory: read a file straight into it, do not keep it, and let nothing allocate kernel memory meanwhile. What `fill` throws leaves the encoder as it was.
   * PAGE_MISSING when a required page was left out, LTX_INVALID for a page out of order, above the commit, or the lock page.
   */
  writePages(firstPgno: number, count: number, fill: (into: Uint8Array) => void): void {
    this.#expectOpen();
    if (!Number.isInteger(firstPgno) || !Number.isInteger(count) || count < 1 || count > this.maxRun) {
      throw new LitestreamError('INTERNAL', `a run of ${count} pages from page ${firstPgno} cannot be written`);
    }
    if (this.#pages.count + count > this.#pages.capacity) this.#flush();
    this.#refuse(this.#order.check(firstPgno, count));
    this.#pages.add(firstPgno, count, fill);
    this.#order.accept(firstPgno, count);
    this.#count += count;
  }

  /** Adds one page, as `writePages`. */
  writePage(pgno: number, fill: (into: Uint8Array) => void): void {
    this.writePages(pgno, 1, fill);
  }

  /** Adds pages as another file stores them, without compressing them again; as `writePages` otherwise. `run` lies in this encoder's kernel and has been decoded. */
  writeStored(firstPgno: number, run: StoredRun): void {
    this.#expectOpen();
    const count = run.frameLengths.length;
    this.#refuse(this.#order.check(firstPgno, count));
    this.#flush();
    this.#emitHeader();
    let pgno = firstPgno;
    let offset = this.#size;
    const addEntry = (length: number) => {
      this.#index.add(pgno++, offset, length);
      offset += length;
    };
    this.#pages.store(run, addEntry, (ptr, length) => this.#emitKernel(ptr, length));
    this.#order.accept(firstPgno, count);
    this.#count += count;
  }

  /**
   * Checks completeness (PAGE_MISSING), writes what is left, the index and the trailer, and releases the memory.
   * `postApplyChecksum` is for files with database checksums only.
   */
  finish(postApplyChecksum: Checksum = NO_CHECKSUM): EncodedLTX {
    this.#expectOpen();
    this.#refuse(this.#order.finish());
    if (this.header.noChecksum ? postApplyChecksum !== NO_CHECKSUM : (postApplyChecksum & CHECKSUM_FLAG) === 0n) {
      throw this.#error('LTX_INVALID', `the post-apply checksum ${this.header.noChecksum ? 'must be 0' : 'is missing'}`);
    }
    this.#flush();
    const fileChecksum = this.#writeTail(postApplyChecksum);
    this[Symbol.dispose]();
    return { header: this.header, size: this.#size, fileChecksum, pages: this.#count };
  }

  /** Releases the memory of an encoder that will not be finished; harmless afterwards. */
  [Symbol.dispose](): void {
    if (this.#state !== 'closed') this.#pages.release();
    this.#state = 'closed';
  }

  #writeTail(postApplyChecksum: Checksum): Checksum {
    const index = this.#index.finish();
    let crc = this.#kernel.crc64Bytes(this.#pages.crc, END_MARKER);
    crc = this.#kernel.crc64Bytes(crc, index);
    const post = encodeTrailer({ postApplyChecksum, fileChecksum: NO_CHECKSUM }).subarray(0, 8);
    const fileChecksum = fromCRC(this.#kernel.crc64Bytes(crc, post));
    this.#emitHeader();
    for (const part of [END_MARKER, index, encodeTrailer({ postApplyChecksum, fileChecksum })]) this.#emit(part);
    this.#drain();
    return fileChecksum;
  }

  #flush(): void {
    if (this.#pages.count === 0) return;
    this.#emitHeader();
    let offset = this.#size;
    const addEntry = (pgno: number, length: number) => {
      this.#index.add(pgno, offset, length);
      offset += length;
    };
    this.#pages.flush(addEntry, (ptr, length) => this.#emitKernel(ptr, length));
  }

  #emitHeader(): void {
    const bytes = this.#headerBytes;
    this.#headerBytes = undefined;
    if (bytes !== undefined) this.#emit(bytes);
  }

  /** Bytes in kernel memory. Room is made before they are looked at, since a sink that makes the memory grow empties every view of it. */
  #emitKernel(ptr: number, length: number): void {
    this.#makeRoom(length);
    this.#emit(this.#kernel.view(ptr, length));
  }

  /** Small pieces wait for each other, large ones are handed on as they are. */
  #emit(chunk: Uint8Array): void {
    this.#makeRoom(chunk.length);
    this.#size += chunk.length;
    if (isLarge(chunk.length)) this.#send(chunk);
    else {
      this.#small.set(chunk, this.#waiting);
      this.#waiting += chunk.length;
    }
  }

  #makeRoom(length: number): void {
    if (isLarge(length) || this.#waiting + length > SMALL_BYTES) this.#drain();
  }

  #drain(): void {
    const count = this.#waiting;
    this.#waiting = 0;
    if (count > 0) this.#send(this.#small.subarray(0, count));
  }

  #send(chunk: Uint8Array): void {
    this.#state = 'failed';
    this.#sink(chunk);
    this.#state = 'open';
  }

  #expectOpen(): void {
    if (this.#state === 'open') return;
    throw this.#error('INTERNAL', this.#state === 'failed' ? 'an earlier write failed' : 'the encoder is closed');
  }

  #refuse(problem: PageProblem | undefined): void {
    if (problem === undefined) return;
    const code = problem.kind === 'missing' ? 'PAGE_MISSING' : 'LTX_INVALID';
    throw this.#error(code, problem.text, { pgno: problem.pgno });
  }

  #error(code: ErrorCode, reason: string, details?: { readonly pgno: number }): LitestreamError {
    const message = `encoding LTX file ${describeRange(this.header)}: ${reason}`;
    return new LitestreamError(code, message, details === undefined ? {} : { details });
  }
}
