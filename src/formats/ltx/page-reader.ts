/** The input space of a decoder and the pages inflated out of it, in the kernel's memory. */

import { viewOf } from '../../base/bytes.ts';
import { blockBound, type DecodeRegion, type DecodeStop, FRAME_HEADER_SIZE, type Kernel } from '../kernel/kernel.ts';
import { decodeLz4Frame } from '../kernel/lz4-frame.ts';
import { BLOCK_FLAG, maxPageFrameSize, PAGE_HEADER_SIZE } from './page-frame.ts';

/** Decoded pages; good until the decoder is given more input or asked for more pages. */
export interface PageBatch {
  readonly count: number;
  /** Ascending page numbers, in kernel memory: a new view at each access. */
  readonly pgnos: Uint32Array;
  /** `count` pages, one behind the other, in kernel memory: a new view at each access. */
  readonly pages: Uint8Array;
}

/** Neighbouring page frames in block form as they stand in a file, with their pages, all in kernel memory. */
export interface StoredRun {
  /** Where the frames lie, one behind the other. */
  readonly frames: number;
  readonly frameLengths: Uint32Array;
  /** Where their pages lie, one behind the other. */
  readonly pages: number;
}

/** Why a batch ended: as the kernel says, except that pages in frame form are decoded here. */
export type BatchStop = Exclude<DecodeStop, 'frame-form'> | 'bad-frame' | 'too-long';

export interface BatchResult {
  readonly stop: BatchStop;
  readonly count: number;
  /** What an LZ4 frame was refused for. */
  readonly cause?: unknown;
}

export class PageReader {
  readonly #kernel: Kernel;
  readonly #region: DecodeRegion;
  /** Unread bytes are [start, end) of the region's input. */
  #start = 0;
  #end = 0;
  /** File offset of the first byte of the region's input. */
  #base: number;

  /** `offset` is the file offset of the first byte that will be placed, `crc` is carried on from the bytes before it. */
  constructor(kernel: Kernel, shape: { readonly pageSize: number; readonly windowBytes: number }, offset: number, crc: bigint) {
    const { pageSize, windowBytes } = shape;
    const inputBytes = Math.max(windowBytes, maxPageFrameSize(pageSize), FRAME_HEADER_SIZE + blockBound(pageSize));
    this.#kernel = kernel;
    this.#region = kernel.allocateDecode(pageSize, Math.max(1, Math.floor(windowBytes / pageSize)), inputBytes);
    this.#region.crc = crc;
    this.#base = offset;
  }

  get crc(): bigint {
    return this.#region.crc;
  }

  /** File offset of the next unread byte. */
  get offset(): number {
    return this.#base + this.#start;
  }

  /** Unread bytes. */
  get available(): number {
    return this.#end - this.#start;
  }

  /** Free input space behind the unread bytes, which move to the front. */
  window(): Uint8Array {
    const { input, inputBytes } = this.#region;
    if (this.#start > 0) {
      this.#kernel.view(input, inputBytes).copyWithin(0, this.#start, this.#end);
      this.#base += this.#start;
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#kernel.view(input + this.#end, inputBytes - this.#end);
  }

  placed(count: number): void {
    this.#end += count;
  }

  /** The unread bytes, at most `most`. */
  peek(most: number): Uint8Array {
    return this.#kernel.view(this.#region.input + this.#start, Math.min(most, this.available));
  }

  /** Takes the next `count` unread bytes into the CRC; returns where they lie. */
  consume(count: number): number {
    const ptr = this.#region.input + this.#start;
    this.#region.crc = this.#kernel.crc64(this.#region.crc, ptr, count);
    this.#start += count;
    return ptr;
  }

  /** Passes over the next `count` unread bytes, which stay out of the CRC. */
  skip(count: number): void {
    this.#start += count;
  }

  /** Inflates the next pages. */
  decode(): BatchResult {
    const result = this.#kernel.decodeBatch(this.#region, this.#start, this.#end);
    this.#start = result.consumed;
    if (result.stop !== 'frame-form') return { stop: result.stop, count: result.pages };
    return result.pages > 0 ? { stop: 'full', count: result.pages } : this.#decodeFrames();
  }

  /** The pages of the last `decode`. */
  batch(count: number): PageBatch {
    const kernel = this.#kernel;
    const { pages, pgnos, pageSize } = this.#region;
    return {
      count,
      get pgnos() {
        return kernel.words(pgnos, count);
      },
      get pages() {
        return kernel.view(pages, count * pageSize);
      },
    };
  }

  /** The longest run of frames in block form among `count` pages of the last `decode` from the one at `index` on; empty when that one is in frame form. Good as long as the batch. */
  stored(index: number, count: number): StoredRun {
    const { input, pages, pageSize, frameOffsets, frameLengths } = this.#region;
    const offsets = this.#kernel.words(frameOffsets, index + count);
    const bytes = this.#kernel.view(input, this.#end);
    let end = index;
    while (end < index + count && bytes[(offsets[end] as number) + PAGE_HEADER_SIZE - 1] === BLOCK_FLAG) end++;
    return {
      frames: input + (offsets[index] ?? 0),
      frameLengths: this.#kernel.words(frameLengths, end).slice(index),
      pages: pages + index * pageSize,
    };
  }

  /** Calls `visit` with number, file offset and frame length of each page of the last `decode`, and where the page lies. */
  eachFrame(count: number, visit: (pgno: number, offset: number, length: number, ptr: number) => void): void {
    const { pages, pageSize } = this.#region;
    const pgnos = this.#kernel.words(this.#region.pgnos, count).slice();
    const offsets = this.#kernel.words(this.#region.frameOffsets, count).slice();
    const lengths = this.#kernel.words(this.#region.frameLengths, count).slice();
    for (let i = 0; i < count; i++) {
      visit(pgnos[i] as number, this.#base + (offsets[i] as number), lengths[i] as number, pages + i * pageSize);
    }
  }

  release(): void {
    this.#kernel.release(this.#region);
  }

  /** Pages in frame form, as many as are there. */
  #decodeFrames(): BatchResult {
    const { capacity } = this.#region;
    let count = 0;
    while (count < capacity) {
      const header = this.peek(PAGE_HEADER_SIZE);
      if (header.length < PAGE_HEADER_SIZE) return { stop: 'incomplete', count };
      const pgno = viewOf(header).getUint32(0);
      // Anything else than one more page in frame form is the kernel's to judge.
      if (pgno === 0 || viewOf(header).getUint16(4) !== 0) return { stop: 'full', count };
      try {
        if (!this.#decodeFrame(pgno, count)) return { stop: this.#isFull() ? 'too-long' : 'incomplete', count };
      } catch (cause) {
        return { stop: 'bad-frame', count, cause };
      }
      count++;
    }
    return { stop: 'full', count };
  }

  /** False when the frame is not wholly there. */
  #decodeFrame(pgno: number, slot: number): boolean {
    const kernel = this.#kernel;
    const { pages, pageSize, pgnos, frameOffsets, frameLengths } = this.#region;
    const ptr = pages + slot * pageSize;
    const result = decodeLz4Frame(this.peek(this.available).subarray(PAGE_HEADER_SIZE), kernel.view(ptr, pageSize));
    if (result.status === 'incomplete') return false;
    if (result.produced !== pageSize) throw new Error(`it inflates to ${result.produced} bytes, a page has ${pageSize}`);
    kernel.words(pgnos, slot + 1)[slot] = pgno;
    kernel.words(frameOffsets, slot + 1)[slot] = this.#start;
    kernel.words(frameLengths, slot + 1)[slot] = PAGE_HEADER_SIZE + result.consumed;
    this.consume(PAGE_HEADER_SIZE);
    this.#region.crc = kernel.crc64(this.#region.crc, ptr, pageSize);
    this.#start += result.consumed;
    return true;
  }

  #isFull(): boolean {
    return this.available >= maxPageFrameSize(this.#region.pageSize);
  }
}
