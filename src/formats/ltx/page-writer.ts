/** A batch of pages on its way into page frames of either form, in the kernel's memory. */

import { viewOf } from '../../base/bytes.ts';
import { blockBound, type EncodeRegion, FRAME_HEADER_SIZE, type Kernel, OUTPUT_SLACK } from '../kernel/kernel.ts';
import { encodeLz4Frame } from '../kernel/lz4-frame.ts';
import { PAGE_HEADER_SIZE, type PageForm } from './page-frame.ts';
import type { StoredRun } from './page-reader.ts';

/** Bytes of pages that are compressed in one go. */
const BATCH_BYTES = 1024 * 1024;

export class PageWriter {
  readonly #kernel: Kernel;
  readonly #region: EncodeRegion;
  /** Where frame form compresses a page before it is wrapped; undefined for block form. */
  readonly #block: number | undefined;
  #count = 0;

  /** `crc` is carried on from the bytes before the first page. */
  constructor(kernel: Kernel, pageSize: number, form: PageForm, crc: bigint) {
    this.#kernel = kernel;
    this.#region = kernel.allocateEncode(pageSize, Math.max(1, Math.floor(BATCH_BYTES / pageSize)));
    this.#region.crc = crc;
    this.#block = form === 'block' ? undefined : kernel.allocate(blockBound(pageSize) + OUTPUT_SLACK);
  }

  get capacity(): number {
    return this.#region.capacity;
  }

  /** Pages waiting. */
  get count(): number {
    return this.#count;
  }

  /** CRC-64 of everything up to the last flushed page. */
  get crc(): bigint {
    return this.#region.crc;
  }

  /** Has `fill` set the next `count` pages, which must fit; their numbers are `firstPgno` and following. */
  add(firstPgno: number, count: number, fill: (into: Uint8Array) => void): void {
    const { pages, pageSize, pgnos } = this.#region;
    fill(this.#kernel.view(pages + this.#count * pageSize, count * pageSize));
    const numbers = this.#kernel.words(pgnos + this.#count * 4, count);
    for (let i = 0; i < count; i++) numbers[i] = firstPgno + i;
    this.#count += count;
  }

  /** Compresses the waiting pages. `onFrame` learns each page's number and frame length, then `sink` where all frames lie in kernel memory. */
  flush(onFrame: (pgno: number, length: number) => void, sink: (ptr: number, length: number) => void): void {
    const count = this.#count;
    if (count === 0) return;
    this.#count = 0;
    const { pgnos, frameLengths, output } = this.#region;
    const bytes = this.#block === undefined ? this.#kernel.encodeBatch(this.#region, count) : this.#encodeFrames(count, this.#block);
    const numbers = this.#kernel.words(pgnos, count);
    const lengths = this.#kernel.words(frameLengths, count);
    for (let i = 0; i < count; i++) onFrame(numbers[i] as number, lengths[i] as number);
    sink(output, bytes);
  }

  /** Takes page frames over as they are, when none is waiting. Their bytes are looked at for the CRC only. */
  store(run: StoredRun, onFrame: (length: number) => void, sink: (ptr: number, length: number) => void): void {
    const { pageSize } = this.#region;
    let crc = this.#region.crc;
    let frame = run.frames;
    for (const [i, length] of run.frameLengths.entries()) {
      crc = this.#kernel.crc64(crc, frame, FRAME_HEADER_SIZE);
      crc = this.#kernel.crc64(crc, run.pages + i * pageSize, pageSize);
      onFrame(length);
      frame += length;
    }
    this.#region.crc = crc;
    sink(run.frames, frame - run.frames);
  }

  release(): void {
    this.#kernel.release(this.#region);
    if (this.#block !== undefined) this.#kernel.free(this.#block);
  }

  #encodeFrames(count: number, block: number): number {
    const kernel = this.#kernel;
    const { pages, pageSize, pgnos, frameLengths, output } = this.#region;
    let at = output;
    for (let i = 0; i < count; i++) {
      const page = pages + i * pageSize;
      const length = kernel.lz4Compress(page, pageSize, block);
      const frame = encodeLz4Frame(kernel.view(page, pageSize), kernel.view(block, length));
      const header = kernel.view(at, PAGE_HEADER_SIZE).fill(0);
      viewOf(header).setUint32(0, kernel.words(pgnos, count)[i] as number);
      kernel.view(at + PAGE_HEADER_SIZE, frame.length).set(frame);
      this.#region.crc = kernel.crc64(kernel.crc64(this.#region.crc, at, PAGE_HEADER_SIZE), page, pageSize);
      kernel.words(frameLengths, count)[i] = PAGE_HEADER_SIZE + frame.length;
      at += PAGE_HEADER_SIZE + frame.length;
    }
    return at - output;
  }
}
