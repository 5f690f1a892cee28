/** Inflates one LZ4 frame of any length piece by piece, as version 0.3 stored its files (docs/formats/legacy.md). */

import { viewOf } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import { type Lz4Descriptor, parseLz4Descriptor } from './lz4-frame.ts';
import { decompressBlock } from './oracle/lz4-block.ts';
import { Xxh32, xxh32 } from './xxh32.ts';

/** How far matches of linked blocks reach back. */
const HISTORY = 65_536;
const STORED = 0x8000_0000;
/** Magic, descriptor with content size, header checksum. */
const LONGEST_PROLOGUE = 15;

/**
 * The content of the frame that `chunks` hold, which must end with it. What is yielded is valid until the next step. Memory: one block in and
 * one out (at most 4 MiB each) and 64 KiB, whatever the frame says about its size.
 *
 * Throws LTX_INVALID for a malformed or cut frame and for bytes behind it, LTX_CHECKSUM_MISMATCH for a wrong checksum.
 */
export async function* inflateFrame(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const input = new ByteQueue(chunks);
  const descriptor = parseLz4Descriptor(await input.peek(LONGEST_PROLOGUE));
  if (descriptor === undefined) throw malformed('it ends inside its header');
  await input.take(descriptor.length);
  const output = new Uint8Array(HISTORY + descriptor.blockSize);
  const sum = new Xxh32();
  let [total, history] = [0n, 0];
  while (true) {
    const word = await wordOf(input);
    if (word === 0) break;
    const block = await blockOf(input, word % STORED, descriptor);
    const length = inflateBlock(block, word >= STORED, output, history, descriptor);
    const content = output.subarray(history, history + length);
    if (descriptor.contentChecksum) sum.update(content);
    total += BigInt(length);
    yield content;
    if (descriptor.independent) continue;
    const end = history + length;
    history = Math.min(HISTORY, end);
    output.copyWithin(0, end - history, end);
  }
  if (descriptor.contentChecksum) expectChecksum('content', await wordOf(input), sum.digest());
  if (descriptor.contentSize !== undefined && descriptor.contentSize !== total) {
    throw malformed(`its content is ${total} bytes where it announces ${descriptor.contentSize}`);
  }
  if ((await input.peek(1)).length > 0) throw malformed('more bytes follow its end');
}

async function blockOf(input: ByteQueue, size: number, { blockSize, blockChecksums }: Lz4Descriptor): Promise<Uint8Array> {
  if (size > blockSize) throw malformed(`a block of ${size} bytes is longer than the frame allows (${blockSize})`);
  const block = await input.take(size);
  if (blockChecksums) expectChecksum('block', await wordOf(input), xxh32(block));
  return block;
}

/** Inflates behind the `history` bytes of the blocks before; returns the block's length. */
function inflateBlock(block: Uint8Array, stored: boolean, output: Uint8Array, history: number, { blockSize }: Lz4Descriptor): number {
  const room = output.subarray(0, history + blockSize);
  if (stored) {
    room.set(block, history);
    return block.length;
  }
  const length = decompressBlock(block, room, history, 0);
  if (length < 0) throw malformed('a block is malformed');
  return length;
}

const wordOf = async (input: ByteQueue): Promise<number> => viewOf(await input.take(4)).getUint32(0, true);

/** Chunks of any size as runs of the size asked for. */
class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#source = chunks[Symbol.asyncIterator]();
  }

  /** Up to `count` of the next bytes, which stay; fewer at the end. */
  async peek(count: number): Promise<Uint8Array> {
    await this.#fill(count);
    return this.#bytes.subarray(0, count);
  }

  /** The next `count` bytes; LTX_INVALID when fewer are left. */
  async take(count: number): Promise<Uint8Array> {
    await this.#fill(count);
    if (this.#bytes.length < count) throw malformed('it ends too early');
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  async #fill(count: number): Promise<void> {
    if (this.#bytes.length >= count) return;
    const pieces = [this.#bytes];
    let length = this.#bytes.length;
    while (length < count) {
      const { done, value } = await this.#source.next();
      if (done === true) break;
      pieces.push(value);
      length += value.length;
    }
    this.#bytes = pieces.length === 1 ? this.#bytes : Buffer.concat(pieces);
  }
}

function expectChecksum(what: string, stored: number, computed: number): void {
  if (stored === computed) return;
  const hex = (value: number): string => value.toString(16).padStart(8, '0');
  throw new LitestreamError(
    'LTX_CHECKSUM_MISMATCH',
    `decoding an LZ4 frame: ${what} checksum is ${hex(stored)}, its bytes give ${hex(computed)}`,
  );
}

const malformed = (what: string): LitestreamError => new LitestreamError('LTX_INVALID', `decoding an LZ4 frame: ${what}`);
