/** Chunks of an age payload, from any of them on, to content: each is authenticated before anything of it is handed out. */

import { LitestreamError } from '../../base/errors.ts';
import { CHUNK_BYTES, chunkCount, openChunk, SEALED_CHUNK_BYTES } from './payload.ts';

export interface UnsealOptions {
  readonly key: Uint8Array;
  /** Bytes of all chunks of the file. */
  readonly sealed: number;
  /** The chunk that the bytes begin with. */
  readonly first: number;
  /** Content bytes to skip in it. */
  readonly skip: number;
  /** Content bytes wanted; fewer come when the file ends first. */
  readonly length: number;
  /** The file, for messages. */
  readonly name: string;
}

/**
 * Content of the chunks in `bytes`, which is read no further than needed. LTX_CHECKSUM_MISMATCH for a chunk that was changed, moved, or is not the last
 * one where the file ends; LTX_TRUNCATED when fewer bytes come than the file has.
 */
export async function* unseal(bytes: AsyncIterable<Uint8Array>, options: UnsealOptions): AsyncGenerator<Uint8Array, void, void> {
  const { key, sealed, first, name } = options;
  const last = chunkCount(sealed) - 1;
  let { skip, length: left } = options;
  let index = first;
  for await (const chunk of blocks(bytes, { size: SEALED_CHUNK_BYTES, left: sealed - first * SEALED_CHUNK_BYTES, name })) {
    const content = openChunk(key, { index, isLast: index === last }, chunk);
    if (content === undefined) throw changed(name, index);
    const wanted = content.subarray(skip, skip + left);
    if (wanted.length > 0) yield wanted;
    left -= wanted.length;
    skip = 0;
    if (left <= 0 || index === last) return;
    index += 1;
  }
  throw cut(name, index);
}

/** Whole blocks of `size` bytes, and a shorter one at the end of `left`; one that comes in parts is put together in memory that the next one uses again. */
async function* blocks(
  bytes: AsyncIterable<Uint8Array>,
  { size, left, name }: { readonly size: number; readonly left: number; readonly name: string },
): AsyncGenerator<Uint8Array, void, void> {
  const carried = Buffer.allocUnsafeSlow(Math.min(size, left));
  let rest = left;
  let filled = 0;
  for await (const piece of bytes) {
    let at = 0;
    while (at < piece.length) {
      const wanted = Math.min(size, rest);
      if (wanted === 0) throw new LitestreamError('LTX_INVALID', `decrypting ${name}: it is longer than it should be`);
      const part = piece.subarray(at, at + wanted - filled);
      at += part.length;
      if (part.length === wanted) yield part;
      else {
        carried.set(part, filled);
        filled += part.length;
        if (filled < wanted) continue;
        yield carried.subarray(0, wanted);
        filled = 0;
      }
      rest -= wanted;
    }
  }
}

const changed = (name: string, index: number): LitestreamError =>
  new LitestreamError('LTX_CHECKSUM_MISMATCH', `decrypting ${name}: its ciphertext was changed or cut`, {
    details: { chunk: index, offset: index * CHUNK_BYTES },
  });

const cut = (name: string, index: number): LitestreamError =>
  new LitestreamError('LTX_TRUNCATED', `decrypting ${name}: its ciphertext ends too soon`, {
    details: { chunk: index, offset: index * CHUNK_BYTES },
  });
