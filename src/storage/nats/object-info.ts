/**
 * The record of one object as it stands in the stream: the JSON and the names that every NATS client uses
 * (https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-20.md).
 */

import { LitestreamError } from '../../base/errors.ts';
import { formatTimestamp, parseTimestamp } from '../../base/timestamp.ts';

/** Case matters: the original looks for exactly this. */
const TIMESTAMP_HEADER = 'Litestream-Timestamp';
const DIGEST_PREFIX = 'SHA-256=';

/** An object, or what is left of a deleted one. */
export interface ObjectRecord {
  /** Names the chunks. */
  readonly nuid: string;
  readonly size: number;
  readonly chunks: number;
  readonly deleted: boolean;
  /** SHA-256 of the content. */
  readonly digest: Buffer | undefined;
  /** Largest size of a chunk, if the writer said it; chunks may be smaller. */
  readonly chunkSize: number | undefined;
  /** The time put with it, ms since the epoch. */
  readonly createdAt: number | undefined;
  /** As it came, to be written back when the object is marked as deleted. */
  readonly raw: Readonly<Record<string, unknown>>;
}

export const chunkSubject = (bucket: string, nuid: string): string => `$O.${bucket}.C.${nuid}`;

export const allRecords = (bucket: string): string => `$O.${bucket}.M.>`;

export const recordSubject = (bucket: string, key: string): string => `$O.${bucket}.M.${padded(Buffer.from(key, 'utf8'))}`;

/** The name of the object whose record has this subject; undefined when it is no such subject. */
export function keyOfSubject(bucket: string, subject: string): string | undefined {
  const start = `$O.${bucket}.M.`;
  return subject.startsWith(start) ? Buffer.from(subject.slice(start.length), 'base64url').toString('utf8') : undefined;
}

/** What is known of an object once its chunks are stored. */
export interface NewObject {
  readonly bucket: string;
  readonly key: string;
  readonly nuid: string;
  readonly size: number;
  readonly chunks: number;
  readonly chunkSize: number;
  readonly digest: Buffer;
  readonly createdAt: number | undefined;
}

export function encodeRecord(object: NewObject): Uint8Array {
  const { createdAt } = object;
  return json({
    name: object.key,
    ...(createdAt === undefined ? {} : { headers: { [TIMESTAMP_HEADER]: [formatTimestamp(createdAt)] } }),
    options: { max_chunk_size: object.chunkSize },
    bucket: object.bucket,
    nuid: object.nuid,
    size: object.size,
    mtime: new Date().toISOString(),
    chunks: object.chunks,
    digest: `${DIGEST_PREFIX}${padded(object.digest)}`,
  });
}

/** The mark of a deletion: the record without content. */
export function encodeDeleted(record: ObjectRecord): Uint8Array {
  return json({ ...record.raw, size: 0, chunks: 0, digest: '', deleted: true });
}

/** RESPONSE_INVALID when the bytes are not the record of an object. */
export function decodeRecord(key: string, bytes: Uint8Array): ObjectRecord {
  const raw = parse(key, bytes);
  const { nuid, size = 0, chunks = 0, deleted = false, digest, options } = raw;
  if (typeof nuid !== 'string' || !isCount(size) || !isCount(chunks)) throw invalid(key);
  const { max_chunk_size: chunkSize, link } = isObject(options) ? options : {};
  if (isObject(link)) throw new LitestreamError('NOT_SUPPORTED', `${key} is a link to another object`, { hint: 'Links are not followed.' });
  return {
    nuid,
    size,
    chunks,
    deleted: deleted === true,
    digest:
      typeof digest === 'string' && digest.startsWith(DIGEST_PREFIX)
        ? Buffer.from(digest.slice(DIGEST_PREFIX.length), 'base64url')
        : undefined,
    chunkSize: isCount(chunkSize) && chunkSize > 0 ? chunkSize : undefined,
    createdAt: timestampOf(raw.headers),
    raw,
  };
}

function timestampOf(headers: unknown): number | undefined {
  const values = isObject(headers) ? headers[TIMESTAMP_HEADER] : undefined;
  const [text] = Array.isArray(values) ? (values as unknown[]) : [];
  return typeof text === 'string' ? parseTimestamp(text) : undefined;
}

function parse(key: string, bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (cause) {
    throw invalid(key, cause);
  }
  if (!isObject(value)) throw invalid(key);
  return value;
}

const invalid = (key: string, cause?: unknown): LitestreamError =>
  new LitestreamError('RESPONSE_INVALID', `the record of ${key} in the NATS bucket is not that of an object`, {
    cause,
    hint: 'Something else than an object store client wrote to the stream of the bucket.',
  });

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const json = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** base64 for URLs with its padding, as other clients write it. */
function padded(bytes: Buffer): string {
  const text = bytes.toString('base64url');
  return text + '='.repeat((4 - (text.length % 4)) % 4);
}
