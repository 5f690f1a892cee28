/** Reading an object, or a range of it, whatever a server or a proxy makes of the range. */

import { LitestreamError } from '../../base/errors.ts';
import { once } from '../body.ts';
import type { OpenedObject, OpenOptions } from '../object-store.ts';
import { cut, parseContentRange } from '../remote/content-range.ts';
import { truncated } from '../remote/network-error.ts';
import { emptyObject } from '../remote/opened-object.ts';
import type { Answer, OSSClient } from './client.ts';
import { type Attempt, notOSS } from './errors.ts';
import { tagOf } from './metadata.ts';

const RANGE_NOT_SATISFIABLE = 416;

export async function openObject(client: OSSClient, key: string, { offset = 0, length, signal }: OpenOptions): Promise<OpenedObject> {
  const ranged = offset > 0 || length !== undefined;
  const answer = await client.call({
    operation: 'read',
    method: 'GET',
    key,
    signal,
    ...(ranged ? { headers: rangeHeaders(offset, length), accept: [RANGE_NOT_SATISFIABLE] } : {}),
  });
  const range = parseContentRange(answer.headers['content-range']);
  if (answer.status === RANGE_NOT_SATISFIABLE) {
    answer.body.destroy();
    return emptyObject(key, range?.size, undefined);
  }
  const partial = answer.status === 206;
  if (partial && range === undefined) {
    answer.body.destroy();
    throw notOSS(client.attempt({ operation: 'read', key }), 'answered with a part that does not say which one it is');
  }
  const attempt = client.attempt({ operation: 'read', key });
  const start = range?.start ?? 0;
  const size = partial ? range?.size : contentLength(answer);
  const wanted = Math.min(length ?? Number.POSITIVE_INFINITY, size === undefined ? Number.POSITIVE_INFINITY : Math.max(0, size - offset));
  return {
    size,
    tag: tagOf(answer.headers.etag),
    body: once(key, () => whole(cut(translated(answer, attempt, signal), offset - start, wanted), wanted, attempt)),
    close: async () => {
      answer.body.destroy();
    },
  };
}

/** Without the standard behaviour OSS answers a range past the end with the whole object. */
function rangeHeaders(offset: number, length: number | undefined): Record<string, string> {
  const last = length === undefined ? '' : String(offset + length - 1);
  return { range: `bytes=${offset}-${last}`, 'x-oss-range-behavior': 'standard' };
}

function contentLength({ headers }: Answer): number | undefined {
  const size = Number(headers['content-length'] ?? Number.NaN);
  return Number.isSafeInteger(size) ? size : undefined;
}

async function* translated({ body }: Answer, attempt: Attempt, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      yield chunk;
      signal?.throwIfAborted();
    }
  } catch (error) {
    throw readError(error, attempt, signal);
  } finally {
    body.destroy();
  }
}

/** An answer that ends cleanly, but too early, is no whole answer. */
async function* whole(chunks: AsyncIterable<Uint8Array>, wanted: number, { key, bucket }: Attempt): AsyncGenerator<Uint8Array> {
  let delivered = 0;
  for await (const chunk of chunks) {
    delivered += chunk.byteLength;
    yield chunk;
  }
  if (delivered < wanted && wanted !== Number.POSITIVE_INFINITY)
    throw new LitestreamError('READ_TRUNCATED', `${key} in OSS bucket ${bucket} ended after ${delivered} of ${wanted} bytes`);
}

function readError(error: unknown, { key, bucket }: Attempt, signal: AbortSignal | undefined): unknown {
  return signal?.aborted === true ? signal.reason : truncated(`reading ${key} in OSS bucket ${bucket}`, error);
}
