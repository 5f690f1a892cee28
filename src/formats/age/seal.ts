/** Content to age files, in pieces and in bounded memory. */

import { randomBytes } from 'node:crypto';
import type { MadeHeader } from './header.ts';
import { CHUNK_BYTES, NONCE_BYTES, payloadKey, sealChunk } from './payload.ts';

/** Seals the content of one file, as it comes. A header is used for one file only. */
export class Sealer {
  readonly #begin: readonly Uint8Array[];
  readonly #key: Uint8Array;
  readonly #held = new Uint8Array(CHUNK_BYTES);
  #length = 0;
  #index = 0;

  constructor({ header, fileKey }: MadeHeader) {
    const nonce = randomBytes(NONCE_BYTES);
    this.#key = payloadKey(fileKey, nonce);
    this.#begin = [header, nonce];
  }

  /** What stands before the chunks; to be written first. */
  begin(): readonly Uint8Array[] {
    return this.#begin;
  }

  /** The chunks that `content` completes. A full one is held back until more comes: only the last may be marked so. */
  *push(content: Uint8Array): Generator<Uint8Array, void, void> {
    let at = 0;
    while (at < content.length) {
      if (this.#length === CHUNK_BYTES) yield* this.#seal(false);
      const part = content.subarray(at, at + CHUNK_BYTES - this.#length);
      this.#held.set(part, this.#length);
      this.#length += part.length;
      at += part.length;
    }
  }

  /** The last chunk. */
  end(): Generator<Uint8Array, void, void> {
    return this.#seal(true);
  }

  *#seal(isLast: boolean): Generator<Uint8Array, void, void> {
    yield* sealChunk(this.#key, { index: this.#index, isLast }, this.#held.subarray(0, this.#length));
    this.#index += 1;
    this.#length = 0;
  }
}

/** A whole file of content that is in memory. */
export function sealBytes(content: Uint8Array, made: MadeHeader): Uint8Array {
  const sealer = new Sealer(made);
  return Buffer.concat([...sealer.begin(), ...sealer.push(content), ...sealer.end()]);
}
