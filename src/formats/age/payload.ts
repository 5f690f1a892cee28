/** The payload of an age file: chunks of 64 KiB, each sealed with ChaCha20-Poly1305 and its place, so that any of them can be opened alone. */

import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';

/** Content bytes of every chunk but the last. */
export const CHUNK_BYTES = 64 * 1024;
/** Bytes that sealing adds to a chunk. */
const TAG_BYTES = 16;
export const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES;
/** Random bytes between header and chunks. */
export const NONCE_BYTES = 16;

const CIPHER = 'chacha20-poly1305';
const OPTIONS = { authTagLength: TAG_BYTES } as const;

/** The key of the chunks of one file. */
export const payloadKey = (fileKey: Uint8Array, nonce: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', fileKey, nonce, 'payload', 32));

/** Content bytes of chunks of `sealed` bytes in all; undefined when no file has so many: it was cut. */
export function contentSize(sealed: number): number | undefined {
  const chunks = chunkCount(sealed);
  const last = sealed - (chunks - 1) * SEALED_CHUNK_BYTES;
  // Only an empty file has an empty chunk.
  if (sealed < TAG_BYTES || last < TAG_BYTES || (last === TAG_BYTES && chunks > 1)) return undefined;
  return sealed - chunks * TAG_BYTES;
}

/** Bytes of the chunks of `content` bytes. */
export const sealedSize = (content: number): number => content + Math.max(1, Math.ceil(content / CHUNK_BYTES)) * TAG_BYTES;

/** Number of chunks of `sealed` bytes in all. */
export const chunkCount = (sealed: number): number => Math.ceil(sealed / SEALED_CHUNK_BYTES);

export interface ChunkPlace {
  /** From 0. */
  readonly index: number;
  readonly isLast: boolean;
}

/** @param content CHUNK_BYTES; fewer only in the last chunk. */
export function sealChunk(key: Uint8Array, place: ChunkPlace, content: Uint8Array): [Uint8Array, Uint8Array] {
  const cipher = createCipheriv(CIPHER, key, nonceOf(place), OPTIONS);
  const sealed = cipher.update(content);
  cipher.final();
  return [sealed, cipher.getAuthTag()];
}

/** The content; undefined when it is not what was sealed for this place. */
export function openChunk(key: Uint8Array, place: ChunkPlace, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, key, nonceOf(place), OPTIONS);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const content = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  try {
    decipher.final();
    return content;
  } catch {
    return undefined;
  }
}

/** Eleven bytes of counter, big end first, and one that marks the last chunk. */
function nonceOf({ index, isLast }: ChunkPlace): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(index, 5, 6);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}
