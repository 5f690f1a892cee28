/** Decrypts what version 0.3 encrypted with age (https://age-encryption.org/v1). */

import { LitestreamError } from '../../base/errors.ts';
import { AGE_MAGIC, decrypterOf, isForOthers } from './header.ts';

/**
 * `chunks` as they are, or decrypted where they begin as an age file. Memory: a few chunks of the source and 128 KiB.
 *
 * Throws IDENTITY_REQUIRED when no identity is given or none of them fits, CONFIG_INVALID for an identity that is none (never quoting it),
 * LEGACY_INVALID for ciphertext that was changed or cut, and what the source throws.
 *
 * @param name the file, for messages
 * @param identities `AGE-SECRET-KEY-…` lines
 */
export async function* decryptIfAge(
  chunks: AsyncIterable<Uint8Array>,
  { name, identities }: { readonly name: string; readonly identities: readonly string[] },
): AsyncGenerator<Uint8Array, void, void> {
  const source = new Source(chunks);
  if (!(await source.beginsWith(AGE_MAGIC))) return yield* source.rest();
  if (identities.length === 0) {
    throw required(`${name} is encrypted with age, and no identity is configured`);
  }
  const decrypter = await decrypterOf(identities);
  try {
    // Not backed by the file system and read to its end or cancelled: nothing is left open.
    const plain = await decrypter.decrypt(ReadableStream.from(source.rest()) as ReadableStream<Uint8Array>);
    yield* plain as unknown as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (source.failure !== undefined) throw source.failure.reason;
    if (isForOthers(error)) {
      throw required(`${name} is encrypted with age for none of the ${identities.length} configured identities`);
    }
    throw new LitestreamError('LEGACY_INVALID', `decrypting ${name}: its ciphertext was changed or cut`, {
      cause: error,
      hint: 'Fetch the file again from another copy of the replica, or restore a state that does not need it.',
    });
  }
}

function required(what: string): LitestreamError {
  return new LitestreamError('IDENTITY_REQUIRED', `restoring data of version 0.3: ${what}`, {
    hint: 'Add the identity (AGE-SECRET-KEY-…, or the file that holds it) to age.identities of the replica in the configuration.',
  });
}

/** A source that was looked into, and that remembers its own failure. */
class Source {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #begin: Uint8Array[] = [];
  failure: { readonly reason: unknown } | undefined;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#iterator = chunks[Symbol.asyncIterator]();
  }

  async beginsWith(magic: Uint8Array): Promise<boolean> {
    let length = 0;
    while (length < magic.length) {
      const { done, value } = await this.#iterator.next();
      if (done === true) break;
      this.#begin.push(value);
      length += value.length;
    }
    return Buffer.concat(this.#begin).subarray(0, magic.length).equals(magic);
  }

  async *rest(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* this.#begin;
      while (true) {
        const { done, value } = await this.#iterator.next();
        if (done === true) return;
        yield value;
      }
    } catch (reason) {
      this.failure = { reason };
      throw reason;
    } finally {
      await this.#iterator.return?.();
    }
  }
}
