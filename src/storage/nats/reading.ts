/** Reads the bytes of one object from its chunks, beginning at the chunk that is needed. */

import { createHash, type Hash } from 'node:crypto';
import { LitestreamError } from '../../base/errors.ts';
import type { ByteRange } from '../range.ts';
import type { ChunkedObject, ChunkIndex } from './chunk-index.ts';
import { chunkSubject, type ObjectRecord } from './object-info.ts';
import { Pull } from './pull.ts';

/** Bytes asked for at once, at most. */
const WINDOW_BYTES = 2 * 1024 * 1024;
/** Messages asked for at once, at most: chunks of other writers may be tiny. */
const WINDOW_CHUNKS = 256;
/** An only chunk up to this size is fetched in one request, bytes. */
const SINGLE_REQUEST_BYTES = 256 * 1024;

export interface ChunkSource extends ChunkedObject {
  readonly key: string;
  readonly index: ChunkIndex;
}

/** The bytes of `range`. The digest is checked when that is the whole object; READ_TRUNCATED when chunks are missing. */
export async function* readChunks(source: ChunkSource, range: ByteRange, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const { record } = source;
  if (range.end <= range.start) return;
  const whole = range.start === 0 && range.end === record.size && record.digest !== undefined;
  const hash = whole ? createHash('sha256') : undefined;
  for await (const bytes of cut(chunks(source, range, signal), range, source.key)) {
    hash?.update(bytes);
    yield bytes;
  }
  if (hash !== undefined) checkDigest(source, hash);
}

interface PlacedChunk {
  /** Of its first byte in the object. */
  readonly offset: number;
  readonly data: Uint8Array;
}

async function* chunks(source: ChunkSource, range: ByteRange, signal: AbortSignal | undefined): AsyncGenerator<PlacedChunk> {
  const { jetStream, bucket, record } = source;
  const filter = chunkSubject(bucket, record.nuid);
  if (record.chunks === 1 && record.size <= SINGLE_REQUEST_BYTES) {
    const only = await jetStream.last(filter, signal);
    if (only !== undefined) yield { offset: 0, data: only.data };
    return;
  }
  const start = range.start === 0 ? undefined : await source.index.locate(source, range.start, signal);
  if (start?.chunk !== undefined) {
    yield { offset: start.offset, data: start.chunk };
    return;
  }
  const batch = Math.min(WINDOW_CHUNKS, Math.max(2, Math.floor(WINDOW_BYTES / averageChunk(record))));
  const deliver = start === undefined ? 'all' : { startSequence: start.sequence };
  const pull = new Pull(jetStream, { filter, deliver, batch }, signal);
  try {
    await pull.start();
    let offset = start?.offset ?? 0;
    for (;;) {
      const message = await pull.next();
      if (message === undefined) return;
      yield { offset, data: message.data };
      offset += message.data.byteLength;
      if (message.pending === 0) return;
    }
  } finally {
    pull.close();
  }
}

const averageChunk = ({ size, chunks }: ObjectRecord): number => Math.max(1, size / Math.max(1, chunks));

async function* cut(source: AsyncIterable<PlacedChunk>, { start, end }: ByteRange, key: string): AsyncGenerator<Uint8Array> {
  let at = start;
  for await (const { offset, data } of source) {
    const bytes = data.subarray(Math.max(0, at - offset), Math.max(0, end - offset));
    if (bytes.byteLength > 0) yield bytes;
    at += bytes.byteLength;
    if (at >= end) return;
  }
  throw new LitestreamError('READ_TRUNCATED', `${key} ended at ${at} while bytes up to ${end} were read: its chunks are gone`, {
    hint: 'It was replaced or deleted meanwhile; if not, the bucket has lost chunks, for example by a maximum age.',
  });
}

function checkDigest({ key, record }: ChunkSource, hash: Hash): void {
  if (record.digest === undefined || hash.digest().equals(record.digest)) return;
  throw new LitestreamError('RESPONSE_INVALID', `the bytes of ${key} are not those that were written: their SHA-256 differs`, {
    hint: 'Read it again; if that fails too, the object is damaged.',
  });
}
