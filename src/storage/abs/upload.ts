/** Writing a blob: one request for a small one, blocks and a list of them for a large one. */

import { randomBytes } from 'node:crypto';
import type { BlobRequestConditions, BlockBlobClient } from '@azure/storage-blob';
import { LinkedAbort } from '../../base/linked-abort.ts';
import { type Part, partsOf, sendPart } from '../remote/parts.ts';

/** Bytes of a block, and of the largest blob that is written in one request. Of unknown sizes the first ones. */
export const BLOCK_BYTES = 4 * 1024 * 1024;
const BLOCKS_AT_ONCE = 3;
/** The service takes 50,000; some are left for a source that grew. */
const MOST_BLOCKS = 49_000;

export interface Upload {
  readonly blob: BlockBlobClient;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Bytes, when known beforehand. */
  readonly size: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly conditions: BlobRequestConditions;
  readonly signal: AbortSignal | undefined;
  /** Runs one request and gives its failure our code. */
  readonly request: <T>(signal: AbortSignal | undefined, send: () => Promise<T>) => Promise<T>;
}

export interface Uploaded {
  /** Bytes. */
  readonly size: number;
  readonly etag: string | undefined;
}

/** Writes what the source delivers, holding a few blocks at most. Conditions count when the blob appears: with the one request, or with the list. */
export async function upload(job: Upload): Promise<Uploaded> {
  const parts = partsOf(job.chunks, (index) => blockBytes(index, job.size));
  try {
    const { value: first } = await parts.next();
    if (first === undefined) throw new Error('a body has at least one part');
    return first.last ? await inOneRequest(job, first.bytes) : await inBlocks(job, first, parts);
  } finally {
    await parts.return();
  }
}

/** Larger blocks for what would not fit into the number of blocks there may be; without a size they double every 10,000 blocks. */
function blockBytes(index: number, size: number | undefined): number {
  if (size === undefined) return BLOCK_BYTES * 2 ** Math.floor(index / 10_000);
  return Math.max(BLOCK_BYTES, Math.ceil(size / MOST_BLOCKS));
}

const HEADERS = { blobContentType: 'application/octet-stream' };

async function inOneRequest({ blob, metadata, conditions, signal, request }: Upload, bytes: Buffer): Promise<Uploaded> {
  const options = {
    metadata: { ...metadata },
    conditions,
    blobHTTPHeaders: HEADERS,
    ...(signal === undefined ? {} : { abortSignal: signal }),
  };
  const { etag } = await request(signal, () => blob.upload(bytes, bytes.length, options));
  return { size: bytes.length, etag };
}

async function inBlocks(job: Upload, first: Part, rest: AsyncIterable<Part>): Promise<Uploaded> {
  const { blob, metadata, conditions, signal, request } = job;
  const name = blockNames();
  const link = new LinkedAbort(signal);
  const inFlight = new Set<Promise<void>>();
  const ids: string[] = [];
  let size = 0;
  let failure: { readonly error: unknown } | undefined;
  const stage = (part: Part): void => {
    const id = name(part.index);
    ids.push(id);
    size += part.bytes.length;
    const send = () => request(link.signal, () => blob.stageBlock(id, part.bytes, part.bytes.length, { abortSignal: link.signal }));
    const sending: Promise<void> = sendPart(send, link.signal)
      .catch((error: unknown) => {
        failure ??= { error };
        link.abort(error);
      })
      .then(() => {
        inFlight.delete(sending);
      });
    inFlight.add(sending);
  };
  try {
    stage(first);
    for await (const part of rest) {
      while (inFlight.size >= BLOCKS_AT_ONCE) await Promise.race(inFlight);
      if (failure !== undefined) break;
      stage(part);
    }
    await Promise.all(inFlight);
    if (failure !== undefined) throw failure.error;
    const options = { metadata: { ...metadata }, conditions, blobHTTPHeaders: HEADERS, abortSignal: link.signal };
    const { etag } = await request(link.signal, () => blob.commitBlockList(ids, options));
    return { size, etag };
  } catch (error) {
    // What was staged is not part of any blob; the service drops it after a week.
    link.abort(error);
    await Promise.all(inFlight);
    throw error;
  } finally {
    link.release();
  }
}

/** Names of this upload's own, so that two writers of one key never mix; 64 bytes, because all blocks of a blob must have names of one length. */
function blockNames(): (index: number) => string {
  const name = Buffer.alloc(64);
  randomBytes(16).copy(name);
  return (index) => {
    name.writeUInt32BE(index, 16);
    return name.toString('base64');
  };
}
