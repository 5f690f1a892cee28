/** Opening an object, whole or in part, and the stream of its bytes. */

import type { LitestreamError } from '../../base/errors.ts';
import { LinkedAbort } from '../../base/linked-abort.ts';
import type { ObjectInfo, OpenedObject, OpenOptions } from '../object-store.ts';
import { parseContentRange } from '../remote/content-range.ts';
import { truncated } from '../remote/network-error.ts';
import { emptyObject, streamedObject } from '../remote/opened-object.ts';
import type { API } from './api.ts';
import { type Doing, foreign, refusal, sentence } from './errors.ts';
import type { Incoming } from './http.ts';

export interface Reading {
  readonly api: API;
  readonly doing: Doing;
  /** Facts of the object, for a range in which there is nothing. */
  readonly stat: () => Promise<ObjectInfo>;
  /** The error of an object that is not there: itself, or its bucket, may be missing. */
  readonly missing: () => Promise<LitestreamError>;
}

/** The bytes of a range whose numbers have been checked. Resolves when the service has begun to answer. */
export async function openObject(reading: Reading, { offset = 0, length, signal }: OpenOptions): Promise<OpenedObject> {
  const { api, doing } = reading;
  if (length === 0) return nothing(reading, offset, length);
  const link = new LinkedAbort(signal);
  try {
    const url = api.address('/storage/v1', doing.bucket, doing.key, { alt: 'media' });
    const end = length === undefined ? '' : String(offset + length - 1);
    const headers = offset === 0 && length === undefined ? {} : { range: `bytes=${offset}-${end}` };
    const answer = await api.send({ method: 'GET', url, headers, signal: link.signal, doing });
    if (answer.status === 200 || answer.status === 206) return opened(answer, { doing, offset, length, link, signal });
    if (answer.status === 416) {
      answer.body.destroy();
      link.release();
      return await nothing(reading, offset, length);
    }
    const error = await refusal(answer, doing);
    throw error.code === 'OBJECT_NOT_FOUND' ? await reading.missing() : error;
  } catch (error) {
    link.abort(error);
    throw error;
  }
}

async function nothing({ doing, stat }: Reading, offset: number, length: number | undefined): Promise<OpenedObject> {
  const { key, size, tag } = await stat();
  // The object has grown since the range was refused: as if it had been opened a moment later.
  if (length !== 0 && size > offset) throw truncated(sentence(doing), new Error('the object changed while it was opened'));
  return emptyObject(key, size, tag);
}

interface Wanted {
  readonly doing: Doing;
  readonly offset: number;
  readonly length: number | undefined;
  readonly link: LinkedAbort;
  readonly signal: AbortSignal | undefined;
}

function opened({ status, headers, body }: Incoming, { doing, offset, length, link, signal }: Wanted): OpenedObject {
  const range = status === 206 ? parseContentRange(headers['content-range']) : undefined;
  const generation = headers['x-goog-generation'];
  const start = range?.start ?? 0;
  if (typeof generation !== 'string' || start > offset || (status === 206 && range === undefined)) {
    body.destroy();
    throw foreign(doing, `${status} with ${headers['content-type'] ?? 'no content type'}, not the object`);
  }
  const size = range === undefined ? numberOf(headers['x-goog-stored-content-length'] ?? headers['content-length']) : range.size;
  return streamedObject(body, { key: doing.key, size, tag: generation, skip: offset - start, length, link, signal });
}

const numberOf = (header: string | string[] | undefined): number | undefined =>
  typeof header === 'string' && /^\d+$/.test(header) ? Number(header) : undefined;
