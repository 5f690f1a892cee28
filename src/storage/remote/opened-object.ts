/** Opened objects of stores that answer an open with a stream: all of a range, nothing of it, or an answer that went on too long or broke. */

import { abortable } from '../../base/abortable.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { LinkedAbort } from '../../base/linked-abort.ts';
import { once } from '../body.ts';
import type { OpenedObject } from '../object-store.ts';
import { cut } from './content-range.ts';
import { truncated } from './network-error.ts';

/** What of an answer is wanted. */
export interface Wanted {
  readonly key: string;
  /** Of the whole object, bytes; undefined when not told. */
  readonly size: number | undefined;
  readonly tag: string | undefined;
  /** Bytes of the answer before the first one that is wanted. */
  readonly skip: number;
  /** Bytes that are wanted; undefined for all that come. */
  readonly length: number | undefined;
  /** Below the request: closing the object ends it. */
  readonly link: LinkedAbort;
  /** The caller's. */
  readonly signal: AbortSignal | undefined;
}

/** The object whose bytes `stream` brings; READ_TRUNCATED when it breaks off. The stream is destroyed with the end of the reading. */
export function streamedObject(stream: NodeJS.ReadableStream & { destroy(): unknown }, wanted: Wanted): OpenedObject {
  const { key, size, tag, skip, length, link, signal } = wanted;
  // An open stream may fail before it is read, which would end the process while nobody listens.
  stream.on('error', () => {});
  const close = async () => {
    stream.destroy();
    link.abort(new LitestreamError('CANCELLED', `reading ${key} was ended`));
  };
  const source = cut(stream as AsyncIterable<Uint8Array>, skip, length ?? Number.POSITIVE_INFINITY);
  return { size, tag, body: once(key, () => chunks(source, key, signal, close)), close };
}

async function* chunks(source: AsyncIterable<Uint8Array>, key: string, signal: AbortSignal | undefined, close: () => Promise<void>) {
  try {
    yield* abortable(source, signal);
  } catch (error) {
    signal?.throwIfAborted();
    // Libraries say AbortError for a connection that broke; the caller's own abort has been looked at.
    throw error instanceof LitestreamError ? error : truncated(`reading ${key}`, error);
  } finally {
    await close();
  }
}

/** Nothing of an object: a range of no bytes, or one past its end. */
export function emptyObject(key: string, size: number | undefined, tag: string | undefined): OpenedObject {
  return { size, tag, body: once(key, async function* () {}), close: async () => {} };
}
