/** The content of one file of version 0.3: fetched, decrypted where it is encrypted, inflated, in pieces. */

import { LitestreamError } from '../../base/errors.ts';
import { decryptIfAge } from '../../formats/age/decrypt.ts';
import { inflateFrame } from '../../formats/kernel/lz4-frame-stream.ts';
import type { CallOptions, OpenedObject } from '../../storage/object-store.ts';

/** What a restore of version 0.3 data needs of a store. */
export interface LegacySource {
  /** OBJECT_NOT_FOUND when the file has gone since it was listed. */
  open(key: string, options?: CallOptions): Promise<OpenedObject>;
}

export interface ReadTools {
  readonly source: LegacySource;
  /** `AGE-SECRET-KEY-…` lines. */
  readonly identities: readonly string[];
  readonly signal: AbortSignal;
  /** After each piece as it was stored, with its bytes. */
  readonly onBytes: (bytes: number) => void;
}

/** Yields the uncompressed bytes; each piece is valid until the next step. LEGACY_INVALID for a damaged file, and what the store throws. */
export async function* readLegacyFile(
  { key }: { readonly key: string },
  { source, identities, signal, onBytes }: ReadTools,
): AsyncGenerator<Uint8Array, void, void> {
  const opened = await source.open(key, { signal });
  try {
    const stored = counted(opened.body, signal, onBytes);
    yield* inflateFrame(decryptIfAge(stored, { name: key, identities }));
  } catch (error) {
    throw asDamage(error, key);
  } finally {
    await opened.close();
  }
}

async function* counted(body: AsyncIterable<Uint8Array>, signal: AbortSignal, onBytes: (bytes: number) => void) {
  for await (const chunk of body) {
    signal.throwIfAborted();
    onBytes(chunk.length);
    yield chunk;
  }
}

function asDamage(error: unknown, key: string): unknown {
  if (!(error instanceof LitestreamError) || (error.code !== 'LTX_INVALID' && error.code !== 'LTX_CHECKSUM_MISMATCH')) return error;
  return new LitestreamError('LEGACY_INVALID', `restoring data of version 0.3: ${key} is damaged`, {
    cause: error,
    details: { file: key },
    hint: 'Fetch the file again from another copy of the replica, or restore a state that does not need it.',
  });
}
