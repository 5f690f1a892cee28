/** Where the parts of a batch lie in the kernel's memory: plain offsets, allocated together and given back together. */

import { LitestreamError } from '../../base/errors.ts';

/** Bytes before the LZ4 block of a page frame: page number, flags, size. */
export const FRAME_HEADER_SIZE = 10;
/** Bytes that wide copies may touch behind an output; the encode region includes them. */
export const OUTPUT_SLACK = 16;

/** Most bytes that an LZ4 block of `size` bytes can need; a larger block in a file is malformed. */
export const blockBound = (size: number): number => size + Math.floor(size / 255) + 16;

/**
 * Pages on their way into page frames. The caller owns it from `allocateEncode` to `release`, fills `pages`, `pgnos` and `crc`, and reads
 * `output` and `frameLengths` before the next batch. One region belongs to one file at a time.
 */
export interface EncodeRegion {
  readonly pageSize: number;
  /** Most pages of one batch. */
  readonly capacity: number;
  /** `capacity` pages, one behind the other. */
  readonly pages: number;
  /** `capacity` 32-bit page numbers, for `Kernel.words`. */
  readonly pgnos: number;
  /** Page frames, one behind the other; room for `capacity` incompressible pages. */
  readonly output: number;
  readonly outputBytes: number;
  /** `capacity` 32-bit frame lengths (header, size and block), for `Kernel.words`. */
  readonly frameLengths: number;
  /** Running CRC-64 of the file in the order that docs/formats/ltx.md gives, carried on by every batch. */
  crc: bigint;
}

/**
 * Page frames on their way into pages. The caller owns it from `allocateDecode` to `release`, fills `input` and `crc`, and reads the rest before
 * the next batch. One region belongs to one file at a time.
 */
export interface DecodeRegion {
  readonly pageSize: number;
  /** Most pages of one batch. */
  readonly capacity: number;
  /** File bytes, filled by the caller. */
  readonly input: number;
  readonly inputBytes: number;
  /** `capacity` pages, one behind the other. */
  readonly pages: number;
  /** `capacity` 32-bit page numbers, for `Kernel.words`. */
  readonly pgnos: number;
  /** `capacity` 32-bit frame offsets, counted from `input`, for `Kernel.words`. */
  readonly frameOffsets: number;
  /** `capacity` 32-bit frame lengths (all of a page's bytes in the file), for `Kernel.words`. */
  readonly frameLengths: number;
  /** Running CRC-64 of the file in the order that docs/formats/ltx.md gives, carried on by every batch. */
  crc: bigint;
}

/**
 * Why a decode batch ended; the bytes from `consumed` on are untouched and not yet in the CRC.
 *
 * - `end-marker`: the six zero bytes of the end marker are next
 * - `frame-form`: a page whose payload is an LZ4 frame (flags 0) is next, and the frame is not ordinary (one block, content checksum, no extras),
 *   not sound or not wholly there: `decodeLz4Frame` tells which; ordinary ones are decoded like blocks
 * - `incomplete`: the next frame is not wholly in the input
 * - `full`: the region holds `capacity` pages and more input follows
 * - the others: the next frame is malformed, and no later call will get past it
 */
export type DecodeStop = 'end-marker' | 'frame-form' | 'incomplete' | 'full' | 'bad-page-number' | 'bad-flags' | 'bad-size' | 'bad-block';

/** The stop of each status that the module returns. */
export const DECODE_STOPS: readonly DecodeStop[] = [
  'end-marker',
  'frame-form',
  'incomplete',
  'full',
  'bad-page-number',
  'bad-flags',
  'bad-size',
  'bad-block',
];

export interface DecodeResult {
  readonly stop: DecodeStop;
  /** Pages now in the region, 0 to its capacity. */
  readonly pages: number;
  /** Offset from `input` behind the last decoded frame; that of the offending one when the stop is `bad-…`. */
  readonly consumed: number;
}

/** Offsets of an encode region's parts from its start, and its size. */
export function encodeLayout(pageSize: number, capacity: number) {
  checkShape(pageSize, capacity);
  const pages = 0;
  const pgnos = pages + pageSize * capacity;
  const frameLengths = pgnos + words(capacity);
  const output = frameLengths + words(capacity);
  const outputBytes = capacity * (FRAME_HEADER_SIZE + blockBound(pageSize)) + OUTPUT_SLACK;
  return { pages, pgnos, frameLengths, output, outputBytes, size: output + outputBytes };
}

/** Offsets of a decode region's parts from its start, and its size. */
export function decodeLayout(pageSize: number, capacity: number, inputBytes: number) {
  checkShape(pageSize, capacity);
  const leastInput = FRAME_HEADER_SIZE + blockBound(pageSize);
  if (!Number.isSafeInteger(inputBytes) || inputBytes < leastInput) {
    throw new LitestreamError('INTERNAL', `a decode region of ${inputBytes} bytes cannot hold one frame of ${leastInput} bytes`);
  }
  const pages = 0;
  const pgnos = pages + pageSize * capacity;
  const frameOffsets = pgnos + words(capacity);
  const frameLengths = frameOffsets + words(capacity);
  const input = frameLengths + words(capacity);
  return { pages, pgnos, frameOffsets, frameLengths, input, inputBytes, size: input + inputBytes };
}

const words = (count: number): number => Math.ceil(count / 4) * 16;

function checkShape(pageSize: number, capacity: number): void {
  if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0) {
    throw new LitestreamError('INTERNAL', `a batch of pages of ${pageSize} bytes is impossible`);
  }
  if (!Number.isSafeInteger(capacity) || capacity < 1) throw new LitestreamError('INTERNAL', `a batch of ${capacity} pages is impossible`);
}
