/** Opening objects and looking at them. */

import type { IncomingMessage } from 'node:http';
import { GetObjectCommand, type GetObjectCommandOutput, HeadBucketCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { once } from '../body.ts';
import type { CallOptions, ObjectInfo, OpenedObject, OpenOptions } from '../object-store.ts';
import { rangeOf } from '../range.ts';
import { gathered } from '../remote/gathered.ts';
import { tagOf } from './conditions.ts';
import { s3Error } from './errors.ts';
import { parseTimestamp, TIMESTAMP_KEY } from './metadata.ts';
import type { Plan } from './plan.ts';
import type { Session } from './session.ts';

/** Bytes that are handed on at once, of what comes fast. */
const BLOCK_BYTES = 256 * 1024;

export interface ObjectPlace {
  readonly session: Session;
  readonly plan: Plan;
  readonly bucket: string;
  readonly key: string;
}

/** Facts of an object, with the time from its metadata; where that was lost on the way, `exactTime` is false. */
export async function statObject(place: ObjectPlace, { signal }: CallOptions): Promise<ObjectInfo> {
  const { session, plan, bucket, key } = place;
  const command = new HeadObjectCommand({ Bucket: bucket, Key: key, ...plan.encryption.access });
  const head = await orMissing(place, 'stat', signal, () =>
    session.call({ operation: 'stat', key, signal }, (client, options) => client.send(command, options)),
  );
  const { ContentLength: size, LastModified, Metadata = {} } = head;
  const tag = tagOf(head.ETag);
  if (size === undefined || (LastModified === undefined && tag === undefined)) {
    throw session.unintelligible({ operation: 'stat', key }, 'an object without size, time and ETag');
  }
  const exact = parseTimestamp(Metadata[TIMESTAMP_KEY]);
  const createdAt = exact ?? LastModified?.getTime() ?? 0;
  return { key, size, createdAt, ...(exact === undefined ? { exactTime: false } : {}), ...(tag === undefined ? {} : { tag }) };
}

/** Opens an object or a range of it. */
export async function openObject(place: ObjectPlace, options: OpenOptions): Promise<OpenedObject> {
  const { session, plan, bucket, key } = place;
  const { offset = 0, length, signal } = options;
  rangeOf(key, Number.MAX_SAFE_INTEGER, options); // refuses what is no range before anything is sent
  if (length === 0) return emptyOf(place, signal);
  const ranged = offset > 0 || length !== undefined;
  const command = new GetObjectCommand({
    Bucket: bucket,
    Key: key,
    ...(ranged ? { Range: `bytes=${offset}-${length === undefined ? '' : offset + length - 1}` } : {}),
    ...plan.encryption.access,
  });
  try {
    const got = await orMissing(place, 'open', signal, () =>
      session.call({ operation: 'open', key, signal, streaming: true }, (client, http) => client.send(command, http)),
    );
    return openedOf(place, got, options);
  } catch (error) {
    // A range beyond the end, of which an empty object is the usual case.
    if (ranged && isUnsatisfiable(error)) return emptyOf(place, signal);
    throw error;
  }
}

const isUnsatisfiable = (error: unknown): boolean => error instanceof LitestreamError && error.details?.status === 416;

async function emptyOf(place: ObjectPlace, signal: AbortSignal | undefined): Promise<OpenedObject> {
  const { size, tag } = await statObject(place, { signal });
  return { size, tag, body: once(place.key, async function* () {}), close: async () => {} };
}

function openedOf(
  place: ObjectPlace,
  got: GetObjectCommandOutput,
  { offset = 0, length, signal, transient = false }: OpenOptions,
): OpenedObject {
  const { session, key } = place;
  const body = got.Body as IncomingMessage | undefined;
  if (body === undefined) throw session.unintelligible({ operation: 'open', key }, 'no body');
  const close = async () => {
    body.destroy();
  };
  const tag = tagOf(got.ETag);
  const range = got.ContentRange === undefined ? undefined : parseContentRange(got.ContentRange);
  const problem = wrongAnswer(got, range, offset, tag);
  if (problem !== undefined) {
    body.destroy();
    throw session.unintelligible({ operation: 'open', key }, problem);
  }
  const size = range === undefined ? got.ContentLength : range.size;
  // A server that does not know ranges sends everything: what is too much is dropped here.
  const skip = range === undefined ? offset : 0;
  const most = length ?? Number.POSITIVE_INFINITY;
  const sent = range?.count ?? got.ContentLength;
  const rest = sent === undefined ? undefined : Math.max(0, sent - skip);
  const window: Window = {
    skip,
    most,
    expected: rest === undefined ? undefined : Math.min(most, rest),
    exact: rest !== undefined && rest <= most,
    transient,
  };
  return { size, tag, body: once(key, () => chunksOfBody(place, body, window, signal)), close };
}

function wrongAnswer(got: GetObjectCommandOutput, range: ContentRange | undefined, offset: number, tag: string | undefined) {
  if (tag === undefined && got.LastModified === undefined) return 'an object without time and ETag';
  if (got.ContentRange !== undefined && range === undefined) return `the range ${got.ContentRange}`;
  if (range !== undefined && range.start !== offset) return `bytes from ${range.start} on where those from ${offset} on were asked for`;
  return undefined;
}

interface ContentRange {
  readonly start: number;
  readonly count: number;
  readonly size: number | undefined;
}

function parseContentRange(text: string): ContentRange | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, first, last, size] = match;
  const start = Number(first);
  return { start, count: Number(last) - start + 1, size: size === '*' ? undefined : Number(size) };
}

interface Window {
  readonly skip: number;
  readonly most: number;
  /** Bytes that must come, where the answer told. */
  readonly expected: number | undefined;
  /** The answer ends with the window: read to its end, its connection can be used again. */
  readonly exact: boolean;
  readonly transient: boolean;
}

async function* chunksOfBody(
  place: ObjectPlace,
  body: IncomingMessage,
  { skip, most, expected, exact, transient }: Window,
  signal: AbortSignal | undefined,
) {
  const { session, key } = place;
  const chunks = transient
    ? gathered(body, Math.max(1, Math.min(skip + (expected ?? BLOCK_BYTES), BLOCK_BYTES)))
    : (body as AsyncIterable<Buffer>);
  let toSkip = skip;
  let delivered = 0;
  const onAbort = () => body.destroy(signal?.reason instanceof Error ? signal.reason : undefined);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      const rest = toSkip === 0 ? chunk : chunk.subarray(toSkip);
      toSkip -= chunk.byteLength - rest.byteLength;
      const wanted = rest.byteLength > most - delivered ? rest.subarray(0, most - delivered) : rest;
      delivered += wanted.byteLength;
      if (wanted.byteLength > 0) yield wanted;
      if (delivered >= most && !exact) return;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw s3Error(error, session.attempt({ operation: 'open', key }));
  } finally {
    signal?.removeEventListener('abort', onAbort);
    body.destroy();
  }
  signal?.throwIfAborted();
  if (expected === undefined || delivered >= expected) return;
  throw new LitestreamError('READ_TRUNCATED', `${key} ended after ${delivered} of ${expected} bytes`);
}

/**
 * A 404 without a word of its own (a HEAD request, a lookalike) may mean the object or the bucket: the bucket is asked for, and a missing one
 * is CONTAINER_NOT_FOUND.
 */
async function orMissing<T>(
  place: ObjectPlace,
  operation: 'stat' | 'open',
  signal: AbortSignal | undefined,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!hasCode(error, 'OBJECT_NOT_FOUND') || error.details?.provider !== undefined) throw error;
    const { session, bucket } = place;
    try {
      const command = new HeadBucketCommand({ Bucket: bucket });
      await session.call({ operation: 'look at the bucket', signal }, (client, options) => client.send(command, options));
    } catch (bucketError) {
      signal?.throwIfAborted();
      // Who may not look at the bucket has at least found one.
      if (!hasCode(bucketError, 'ACCESS_DENIED')) throw bucketError;
    }
    throw new LitestreamError('OBJECT_NOT_FOUND', error.message, {
      cause: error.cause,
      hint: `Nothing is stored under this key (${operation}); another process may have removed it.`,
      ...(error.details === undefined ? {} : { details: error.details }),
    });
  }
}
