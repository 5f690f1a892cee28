/** Reading an object, or a range of it, from servers that know ranges and from those that do not. */

import { LitestreamError } from '../../base/errors.ts';
import { once } from '../body.ts';
import type { OpenedObject, OpenOptions } from '../object-store.ts';
import { rangeOf } from '../range.ts';
import { type ContentRange, parseContentRange } from '../remote/content-range.ts';
import { emptyObject } from '../remote/opened-object.ts';
import type { DAVAnswer, DAVClient } from './client.ts';
import { invalidResponse } from './errors.ts';
import { tagOf } from './multistatus.ts';

/** Opens the file at `path`; OBJECT_NOT_FOUND when there is none, also for a directory. */
export async function download(client: DAVClient, path: string, key: string, options: OpenOptions): Promise<OpenedObject> {
  const { offset = 0, length, signal } = options;
  rangeOf(key, Number.MAX_SAFE_INTEGER, options);
  const message = `cannot open ${client.url(path)}`;
  if (length === 0) return nothing(client, path, key, message, options);
  const isWhole = offset === 0 && length === undefined;
  const headers: Record<string, string> = isWhole ? {} : { Range: `bytes=${offset}-${length === undefined ? '' : offset + length - 1}` };
  const answer = await client.send('GET', path, { message, headers, signal });
  const isPage = /^text\/html\b/i.test(answer.headers['content-type'] ?? '');
  if (answer.status === 416) {
    answer.discard();
    return nothing(client, path, key, message, options);
  }
  if ((answer.status !== 200 && answer.status !== 206) || isPage) await refuse(client, path, message, answer, signal);
  const received = answer.status === 206 ? partOf(answer, offset, message) : wholeOf(answer);
  const { start, end } = rangeOf(key, received.size ?? Number.MAX_SAFE_INTEGER, options);
  const cut = {
    skip: start - received.start,
    most: end - start,
    // Without a size the end of the answer is the end of the object.
    expected: received.size === undefined ? undefined : end - start,
    hasMore: answer.status === 200 && end !== received.size,
  };
  return {
    size: received.size,
    tag: tagOf(answer.headers.etag),
    body: once(key, () => bytesOf(client, answer, cut, `cannot read ${client.url(path)}`)),
    close: async () => answer.discard(),
  };
}

/** No byte is wanted, or the object ends before the first one. */
async function nothing(
  client: DAVClient,
  path: string,
  key: string,
  message: string,
  { offset = 0, length, signal }: OpenOptions,
): Promise<OpenedObject> {
  const found = await client.look(path, { message, signal });
  if (found === undefined || found.isCollection) throw new LitestreamError('OBJECT_NOT_FOUND', `${message}: there is no such file`);
  if (length !== 0 && offset < found.size)
    throw invalidResponse(`${message}: the server refuses the range from ${offset} on of ${found.size} bytes`, '', { status: 416 });
  return emptyObject(key, found.size, found.tag);
}

/** What is not the file may be a directory, of which servers show pages or refuse to show anything. */
async function refuse(client: DAVClient, path: string, message: string, answer: DAVAnswer, signal: AbortSignal | undefined): Promise<void> {
  if (answer.status === 404 || answer.status === 410) throw await answer.refusal(message);
  const found = await client.look(path, { message, signal }).catch(() => undefined);
  signal?.throwIfAborted();
  if (found?.isCollection === true) {
    answer.discard();
    throw new LitestreamError('OBJECT_NOT_FOUND', `${message}: it is a directory`);
  }
  if (answer.status !== 200 && answer.status !== 206) throw await answer.refusal(message);
  // A file may be a page. One that has another size is not the file.
  const size = answer.status === 206 ? found?.size : wholeOf(answer).size;
  if (found !== undefined && size === found.size) return;
  const text = await firstOf(client, answer, message);
  throw invalidResponse(`${message}: the server answered with a page instead of the file`, text, { status: answer.status });
}

async function firstOf(client: DAVClient, answer: DAVAnswer, message: string): Promise<string> {
  try {
    for await (const chunk of answer.body()) return Buffer.from(chunk).toString('utf8', 0, 200);
  } catch (error) {
    throw client.connectionError(error, message);
  }
  return '';
}

function partOf(answer: DAVAnswer, offset: number, message: string): ContentRange {
  const range = parseContentRange(answer.headers['content-range']);
  if (range?.start !== offset) {
    answer.discard();
    throw invalidResponse(`${message}: the server sent another range than ${offset}-`, answer.headers['content-range'] ?? '', {
      status: 206,
    });
  }
  return range;
}

function wholeOf({ headers }: DAVAnswer): ContentRange {
  const length = headers['content-encoding'] === undefined ? headers['content-length'] : undefined;
  return { start: 0, size: length === undefined ? undefined : Number(length) };
}

interface Cut {
  readonly skip: number;
  readonly most: number;
  readonly expected: number | undefined;
  /** Bytes come that nobody wants. */
  readonly hasMore: boolean;
}

async function* bytesOf(
  client: DAVClient,
  answer: DAVAnswer,
  { skip, most, expected, hasMore }: Cut,
  message: string,
): AsyncGenerator<Uint8Array> {
  let toSkip = skip;
  let delivered = 0;
  try {
    for await (const chunk of answer.body()) {
      const skipped = Math.min(toSkip, chunk.byteLength);
      toSkip -= skipped;
      const wanted = chunk.subarray(skipped, skipped + most - delivered);
      delivered += wanted.byteLength;
      if (wanted.byteLength > 0) yield wanted;
      if (delivered >= most && hasMore) return;
    }
  } catch (error) {
    throw client.connectionError(error, message);
  }
  if (expected !== undefined && delivered < expected)
    throw new LitestreamError('READ_TRUNCATED', `${message}: it ended after ${delivered} of ${expected} bytes`);
}
