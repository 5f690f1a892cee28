/** LZ4 frames: the page form of older LTX files and the container of v0.3 files (docs/formats/ltx.md, Page frames). */

import { LitestreamError } from '../../base/errors.ts';
import { decompressBlock } from './oracle/lz4-block.ts';
import { xxh32 } from './xxh32.ts';

const MAGIC = 0x184d2204;
/** Magic, FLG, BD, HC as upstream writes them for LTX pages: independent blocks, content checksum, 64 KiB blocks. */
const LTX_PROLOGUE = [0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7];
const STORED = 0x8000_0000;

const VERSION_MASK = 0xc0;
const VERSION = 0x40;
const INDEPENDENT = 0x20;
const BLOCK_CHECKSUM = 0x10;
const CONTENT_SIZE = 0x08;
const CONTENT_CHECKSUM = 0x04;
const RESERVED = 0x02;
const DICTIONARY = 0x01;

const BLOCK_SIZES: ReadonlyMap<number, number> = new Map([
  [4, 65_536],
  [5, 262_144],
  [6, 1_048_576],
  [7, 4_194_304],
]);

/** What a frame says about itself before its first block. */
export interface Lz4Descriptor {
  /** Bytes of magic and descriptor. */
  readonly length: number;
  /** Most bytes that one block inflates to. */
  readonly blockSize: number;
  /** False when matches may reach into the blocks before. */
  readonly independent: boolean;
  readonly blockChecksums: boolean;
  readonly contentChecksum: boolean;
  readonly contentSize: bigint | undefined;
}

export type Lz4FrameResult =
  /** `consumed` input bytes were the frame, `produced` bytes of the output are its content. */
  | { readonly status: 'done'; readonly consumed: number; readonly produced: number }
  /** The input ends inside the frame; call again with more. */
  | { readonly status: 'incomplete' };

const INCOMPLETE = { status: 'incomplete' } as const;

/**
 * Inflates the frame at the start of `input` into the start of `output`, and stops at the frame's end, whatever follows. The content may be
 * no longer than `output`; nothing is allocated from a length in the input. Bytes of `output` may be overwritten even when the result
 * is `incomplete` or an error. Throws LTX_INVALID for a malformed frame, LTX_CHECKSUM_MISMATCH for a wrong checksum.
 */
export function decodeLz4Frame(input: Uint8Array, output: Uint8Array): Lz4FrameResult {
  const descriptor = parseLz4Descriptor(input);
  if (descriptor === undefined) return INCOMPLETE;
  const view = viewOf(input);
  let at = descriptor.length;
  let produced = 0;
  while (true) {
    if (input.length - at < 4) return INCOMPLETE;
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) break;
    const size = word % STORED;
    if (size > descriptor.blockSize) throw malformed(`a block of ${size} bytes is longer than the frame allows (${descriptor.blockSize})`);
    const trailer = descriptor.blockChecksums ? 4 : 0;
    if (input.length - at < size + trailer) return INCOMPLETE;
    const block = input.subarray(at, at + size);
    if (descriptor.blockChecksums) expectChecksum('block', view.getUint32(at + size, true), xxh32(block));
    produced += inflate(block, word >= STORED, descriptor, output, produced);
    at += size + trailer;
  }
  const content = output.subarray(0, produced);
  if (descriptor.contentSize !== undefined && descriptor.contentSize !== BigInt(produced)) {
    throw malformed(`its content is ${produced} bytes where it announces ${descriptor.contentSize}`);
  }
  if (descriptor.contentChecksum) {
    if (input.length - at < 4) return INCOMPLETE;
    expectChecksum('content', view.getUint32(at, true), xxh32(content));
    at += 4;
  }
  return { status: 'done', consumed: at, produced };
}

/** Inflates one block behind the `produced` bytes that are there; returns its length. */
function inflate(block: Uint8Array, stored: boolean, descriptor: Lz4Descriptor, output: Uint8Array, produced: number): number {
  // A view of just one block's room: no block may inflate to more than the descriptor allows.
  const room = output.subarray(0, Math.min(output.length, produced + descriptor.blockSize));
  if (stored) {
    if (block.length > room.length - produced) throw malformed(`its content is longer than ${output.length} bytes`);
    room.set(block, produced);
    return block.length;
  }
  const length = decompressBlock(block, room, produced, descriptor.independent ? produced : 0);
  if (length < 0) throw malformed(`a block is malformed, or the content longer than ${output.length} bytes`);
  return length;
}

/**
 * Reads magic and descriptor at the start of `input`; undefined when it ends too early. Throws LTX_INVALID when they are not of a version 1 frame
 * without dictionary, LTX_CHECKSUM_MISMATCH for a wrong header checksum.
 */
export function parseLz4Descriptor(input: Uint8Array): Lz4Descriptor | undefined {
  const view = viewOf(input);
  if (input.length < 7) {
    if (input.length >= 4 && view.getUint32(0, true) !== MAGIC) throw malformed('it does not begin with the magic number');
    return undefined;
  }
  if (view.getUint32(0, true) !== MAGIC) throw malformed('it does not begin with the magic number');
  const flags = view.getUint8(4);
  const sizes = view.getUint8(5);
  if ((flags & VERSION_MASK) !== VERSION) throw malformed(`its version is ${flags >> 6}, not 1`);
  if ((flags & DICTIONARY) !== 0) throw malformed('it needs a dictionary');
  const blockSize = BLOCK_SIZES.get((sizes >> 4) & 7);
  if ((flags & RESERVED) !== 0 || (sizes & 0x8f) !== 0 || blockSize === undefined) {
    throw malformed(`its descriptor ${hex(flags, 2)} ${hex(sizes, 2)} is not valid`);
  }
  const hasSize = (flags & CONTENT_SIZE) !== 0;
  const length = hasSize ? 15 : 7;
  if (input.length < length) return undefined;
  const expected = (xxh32(input.subarray(4, length - 1)) >>> 8) & 255;
  expectChecksum('header', view.getUint8(length - 1), expected, 2);
  return {
    length,
    blockSize,
    independent: (flags & INDEPENDENT) !== 0,
    blockChecksums: (flags & BLOCK_CHECKSUM) !== 0,
    contentChecksum: (flags & CONTENT_CHECKSUM) !== 0,
    contentSize: hasSize ? view.getBigUint64(6, true) : undefined,
  };
}

/** Bytes of a frame around its block: prologue, block size, end mark, content checksum. */
export const LZ4_FRAME_OVERHEAD = LTX_PROLOGUE.length + 12;

/**
 * The frame of one page exactly as upstream writes it: one block, end mark, content checksum. `block` is the LZ4 block of `page` (1 to 65,536 bytes);
 * a block that is not shorter than the page is left out and the page stored instead.
 */
export function encodeLz4Frame(page: Uint8Array, block: Uint8Array): Uint8Array {
  const stored = block.length >= page.length;
  const payload = stored ? page : block;
  const frame = new Uint8Array(payload.length + LZ4_FRAME_OVERHEAD);
  const view = viewOf(frame);
  frame.set(LTX_PROLOGUE);
  let at = LTX_PROLOGUE.length;
  view.setUint32(at, payload.length + (stored ? STORED : 0), true);
  at += 4;
  frame.set(payload, at);
  at += payload.length;
  view.setUint32(at, 0, true);
  view.setUint32(at + 4, xxh32(page), true);
  return frame;
}

function expectChecksum(what: string, stored: number, computed: number, digits = 8): void {
  if (stored === computed) return;
  throw new LitestreamError(
    'LTX_CHECKSUM_MISMATCH',
    `decoding an LZ4 frame: ${what} checksum is ${hex(stored, digits)}, its bytes give ${hex(computed, digits)}`,
  );
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
const malformed = (what: string): LitestreamError => new LitestreamError('LTX_INVALID', `decoding an LZ4 frame: ${what}`);
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
