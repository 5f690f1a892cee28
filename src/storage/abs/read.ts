/** Opening a blob, whole or in part, and the stream of its bytes. */

import type { BlobDownloadResponseParsed, BlockBlobClient } from '@azure/storage-blob';
import { isRestError } from '@azure/storage-blob';
import { LinkedAbort } from '../../base/linked-abort.ts';
import type { OpenedObject, OpenOptions } from '../object-store.ts';
import { parseContentRange } from '../remote/content-range.ts';
import { truncated } from '../remote/network-error.ts';
import { emptyObject, streamedObject } from '../remote/opened-object.ts';
import { type Doing, foreign, sentence } from './errors.ts';

export interface Reading {
  readonly blob: BlockBlobClient;
  readonly key: string;
  readonly doing: Doing;
  /** Runs one request and gives its failure our code; `tolerate` may answer in its stead. */
  readonly request: <T, U>(signal: AbortSignal, send: () => Promise<T>, tolerate: (error: unknown) => U | undefined) => Promise<T | U>;
  /** Size and tag of the blob, for a range in which there is nothing. */
  readonly stat: (signal: AbortSignal | undefined) => Promise<{ readonly size: number; readonly tag?: string }>;
}

/** The bytes of a range whose numbers have been checked. */
export async function openBlob(reading: Reading, { offset = 0, length, signal }: OpenOptions): Promise<OpenedObject> {
  const { blob, key, doing, request, stat } = reading;
  const nothing = async (): Promise<OpenedObject> => {
    const { size, tag } = await stat(signal);
    // The blob has grown since the range was refused: as if it had been opened a moment later.
    if (length !== 0 && size > offset) throw truncated(sentence(doing), new Error('the blob changed while it was opened'));
    return emptyObject(key, size, tag);
  };
  if (length === 0) return nothing();
  const link = new LinkedAbort(signal);
  try {
    const options = { abortSignal: link.signal, maxRetryRequests: 0 };
    const answer = await request(link.signal, () => blob.download(offset, length, options).then(quiet), pastTheEnd);
    if (answer === 'past the end') {
      link.release();
      return await nothing();
    }
    return opened(reading, answer, { offset, length, link, signal });
  } catch (error) {
    link.abort(error);
    throw error;
  }
}

/** Its stream may fail before anybody reads it, and while nobody listens that would end the process. */
function quiet(answer: BlobDownloadResponseParsed): BlobDownloadResponseParsed {
  answer.readableStreamBody?.on('error', () => {});
  return answer;
}

const pastTheEnd = (error: unknown): 'past the end' | undefined =>
  isRestError(error) && error.statusCode === 416 ? 'past the end' : undefined;

interface Wanted {
  readonly offset: number;
  readonly length: number | undefined;
  readonly link: LinkedAbort;
  readonly signal: AbortSignal | undefined;
}

function opened({ key, doing }: Reading, answer: BlobDownloadResponseParsed, { offset, length, link, signal }: Wanted): OpenedObject {
  const stream = answer.readableStreamBody as (NodeJS.ReadableStream & { destroy(): void }) | undefined;
  const range = parseContentRange(answer.contentRange);
  // Without a range in the answer it is the whole object, whatever was asked for.
  const start = range?.start ?? 0;
  const size = range === undefined ? answer.contentLength : range.size;
  if (stream === undefined || answer.blobType === undefined || start > offset) {
    stream?.destroy();
    throw foreign(doing, 'the answer is not that of the service');
  }
  return streamedObject(stream, { key, size, tag: answer.etag, skip: offset - start, length, link, signal });
}
