/**
 * Typed access to the WebAssembly module that does the byte work of LTX files: CRC-64/ISO, LZ4 blocks and page frames.
 *
 * Files are read into and written out of the kernel's memory directly: `readSync(fd, kernel.view(region.input, n))`. Offsets ("ptr") are bytes
 * from the start of that memory. What `allocate…` returns belongs to the caller until `free` or `release`; nothing else is written to
 * except the ranges a method names. A kernel has no state besides its memory, so several files may take turns on one; it is not
 * shared between threads: each makes its own.
 */

import { readFileSync } from 'node:fs';
import { LitestreamError } from '../../base/errors.ts';
import { LinearHeap } from './linear-heap.ts';
import {
  blockBound,
  DECODE_STOPS,
  type DecodeRegion,
  type DecodeResult,
  decodeLayout,
  type EncodeRegion,
  encodeLayout,
  OUTPUT_SLACK,
} from './regions.ts';
import { type WasmGlobal, type WasmMemory, type WasmModule, webAssembly } from './web-assembly.ts';

export type { DecodeRegion, DecodeResult, DecodeStop, EncodeRegion } from './regions.ts';
export { blockBound, FRAME_HEADER_SIZE, OUTPUT_SLACK } from './regions.ts';

interface KernelExports {
  readonly memory: WasmMemory;
  readonly heapStart: WasmGlobal;
  readonly lastCrc: WasmGlobal;
  readonly lastCount: WasmGlobal;
  readonly lastConsumed: WasmGlobal;
  crc64(crc: bigint, ptr: number, length: number): bigint;
  pageChecksum(pgno: number, ptr: number, length: number): bigint;
  compress(source: number, length: number, target: number): number;
  decompress(source: number, length: number, target: number, targetLength: number): number;
  encodeBatch(crc: bigint, pages: number, pgnos: number, count: number, pageSize: number, output: number, frameLengths: number): number;
  decodeBatch(
    crc: bigint,
    input: number,
    start: number,
    end: number,
    pageSize: number,
    capacity: number,
    pages: number,
    pgnos: number,
    frameOffsets: number,
    frameLengths: number,
  ): number;
}

const WASM_PAGE = 65536;
/** Below 4 GiB, so that no sum of an address and a page overflows inside the module. */
const MAX_BYTES = 2 ** 32 - 2 ** 24;
const SCRATCH_BYTES = 65536;

let compiled: WasmModule | undefined;

export class Kernel {
  readonly #exports: KernelExports;
  readonly #heap: LinearHeap;
  #scratch: number | undefined;

  private constructor(exports: KernelExports) {
    this.#exports = exports;
    this.#heap = new LinearHeap(Number(exports.heapStart.value), (end) => this.#growTo(end));
  }

  /** A kernel with memory of its own. The module is read and compiled once per thread, at the first call. */
  static create(): Kernel {
    compiled ??= new webAssembly.Module(readFileSync(new URL('./kernel.wasm', import.meta.url)));
    const instance = new webAssembly.Instance(compiled, {});
    return new Kernel(instance.exports as KernelExports);
  }

  /** Bytes of the kernel's memory; it never shrinks. */
  get memoryBytes(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  /** Bytes of the memory that are allocated. */
  get allocatedBytes(): number {
    return this.#heap.used;
  }

  /** Offset of `bytes` fresh bytes, 16-aligned, contents undefined. May grow the memory, which detaches every view made before. */
  allocate(bytes: number): number {
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new LitestreamError('INTERNAL', `cannot allocate ${bytes} bytes of kernel memory`);
    return this.#heap.allocate(bytes);
  }

  /** Gives back what `allocate` returned. */
  free(ptr: number): void {
    if (!this.#heap.free(ptr)) throw new LitestreamError('INTERNAL', `kernel memory at ${ptr} was not allocated`);
  }

  /** The bytes at `ptr`. Make the view anew for each use: after a growth an old one is empty, and file calls on it report 0 bytes. */
  view(ptr: number, length: number): Uint8Array<ArrayBuffer> {
    this.#check(ptr, length);
    return new Uint8Array(this.#exports.memory.buffer, ptr, length);
  }

  /** `count` 32-bit words at `ptr` (4-aligned), in the machine's byte order. Make it anew for each use, as `view`. */
  words(ptr: number, count: number): Uint32Array<ArrayBuffer> {
    this.#check(ptr, count * 4);
    return new Uint32Array(this.#exports.memory.buffer, ptr, count);
  }

  /** Carries a CRC-64/ISO on over `length` bytes at `ptr`; begin with 0n. Every result is a finished value. */
  crc64(crc: bigint, ptr: number, length: number): bigint {
    this.#check(ptr, length);
    return BigInt.asUintN(64, this.#exports.crc64(crc, ptr, length));
  }

  /** As `crc64`, over bytes outside the kernel's memory, which are copied in by 64 KiB. */
  crc64Bytes(crc: bigint, bytes: Uint8Array): bigint {
    this.#scratch ??= this.allocate(SCRATCH_BYTES);
    let sum = crc;
    for (let at = 0; at < bytes.length; at += SCRATCH_BYTES) {
      const part = bytes.subarray(at, at + SCRATCH_BYTES);
      this.view(this.#scratch, part.length).set(part);
      sum = this.crc64(sum, this.#scratch, part.length);
    }
    return sum;
  }

  /** Checksum of one page (docs/formats/ltx.md, Checksums): bit 63 | CRC-64 of the page number, big-endian, and the page. */
  pageChecksum(pgno: number, ptr: number, pageSize: number): bigint {
    this.#check(ptr, pageSize);
    return BigInt.asUintN(64, this.#exports.pageChecksum(pgno, ptr, pageSize));
  }

  /**
   * Compresses 1 to 65,536 bytes at `source` into one LZ4 block at `target`; returns the block's length.
   * The target must have `blockBound(length) + OUTPUT_SLACK` bytes, all of which may be overwritten, and must not overlap the source.
   */
  lz4Compress(source: number, length: number, target: number): number {
    if (length < 1 || length > 65536) throw new LitestreamError('INTERNAL', `cannot compress ${length} bytes as one LZ4 block`);
    this.#check(source, length + OUTPUT_SLACK);
    this.#check(target, blockBound(length) + OUTPUT_SLACK);
    return this.#exports.compress(source, length, target);
  }

  /**
   * Inflates the LZ4 block of `length` bytes at `source` into exactly `targetLength` bytes at `target`; returns `targetLength`, or −1 when
   * the block is malformed or inflates to any other length. Reads and writes nothing outside the two ranges, which must not overlap.
   */
  lz4Decompress(source: number, length: number, target: number, targetLength: number): number {
    this.#check(source, length);
    this.#check(target, targetLength);
    return this.#exports.decompress(source, length, target, targetLength);
  }

  /** Memory for batches of up to `capacity` pages of `pageSize` bytes, crc 0n. About `2 · capacity · pageSize` bytes. */
  allocateEncode(pageSize: number, capacity: number): EncodeRegion {
    const { pages, pgnos, frameLengths, output, outputBytes, size } = encodeLayout(pageSize, capacity);
    const at = this.allocate(size);
    return {
      pageSize,
      capacity,
      pages: at + pages,
      pgnos: at + pgnos,
      frameLengths: at + frameLengths,
      output: at + output,
      outputBytes,
      crc: 0n,
    };
  }

  /** Memory for batches of up to `capacity` pages out of up to `inputBytes` file bytes (at least one largest frame), crc 0n. */
  allocateDecode(pageSize: number, capacity: number, inputBytes: number): DecodeRegion {
    const { pages, pgnos, frameOffsets, frameLengths, input, size } = decodeLayout(pageSize, capacity, inputBytes);
    const at = this.allocate(size);
    return {
      pageSize,
      capacity,
      pages: at + pages,
      pgnos: at + pgnos,
      frameOffsets: at + frameOffsets,
      frameLengths: at + frameLengths,
      input: at + input,
      inputBytes,
      crc: 0n,
    };
  }

  /** Gives a region back. */
  release(region: EncodeRegion | DecodeRegion): void {
    this.free(region.pages);
  }

  /**
   * Writes the first `count` pages of the region as v3-block page frames, one behind the other, at `region.output`; returns their bytes.
   * Sets `frameLengths` and carries `region.crc` on: page header, size field, uncompressed page. Page numbers are taken as they are.
   */
  encodeBatch(region: EncodeRegion, count: number): number {
    if (!Number.isInteger(count) || count < 0 || count > region.capacity) {
      throw new LitestreamError('INTERNAL', `cannot encode ${count} pages in a region for ${region.capacity}`);
    }
    const { crc, pages, pgnos, pageSize, output, frameLengths } = region;
    const bytes = this.#exports.encodeBatch(crc, pages, pgnos, count, pageSize, output, frameLengths);
    region.crc = this.#lastCrc();
    return bytes;
  }

  /**
   * Inflates the page frames (v3-block, and ordinary v3-frame) that stand complete in the region's input between the offsets `start` and `end` (counted from
   * `region.input`). Sets `pages`, `pgnos`, `frameOffsets`, `frameLengths` and carries `region.crc` on over what was consumed. Does not check
   * that page numbers ascend. Malformed input is a stop, not an exception; the pages before it are valid.
   */
  decodeBatch(region: DecodeRegion, start: number, end: number): DecodeResult {
    if (!(start >= 0 && start <= end && end <= region.inputBytes)) {
      throw new LitestreamError('INTERNAL', `cannot decode bytes ${start} to ${end} of a region for ${region.inputBytes}`);
    }
    const { crc, input, pageSize, capacity, pages, pgnos, frameOffsets, frameLengths } = region;
    const exports = this.#exports;
    const status = exports.decodeBatch(crc, input, start, end, pageSize, capacity, pages, pgnos, frameOffsets, frameLengths);
    const stop = DECODE_STOPS[status];
    if (stop === undefined) throw new LitestreamError('INTERNAL', `the kernel returned the unknown status ${status}`);
    region.crc = this.#lastCrc();
    return { stop, pages: Number(exports.lastCount.value), consumed: Number(exports.lastConsumed.value) };
  }

  #lastCrc(): bigint {
    return BigInt.asUintN(64, BigInt(this.#exports.lastCrc.value));
  }

  #check(ptr: number, length: number): void {
    if (ptr >= 0 && length >= 0 && ptr + length <= this.memoryBytes) return;
    throw new LitestreamError('INTERNAL', `kernel memory has no ${length} bytes at ${ptr}`);
  }

  #growTo(end: number): void {
    const missing = end - this.memoryBytes;
    if (missing <= 0) return;
    if (end > MAX_BYTES) throw new LitestreamError('INTERNAL', `kernel memory cannot grow to ${end} bytes`);
    try {
      this.#exports.memory.grow(Math.ceil(missing / WASM_PAGE));
    } catch (cause) {
      throw new LitestreamError('INTERNAL', `kernel memory cannot grow to ${end} bytes`, { cause });
    }
  }
}
