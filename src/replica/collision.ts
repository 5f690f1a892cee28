/** What it means that a file to be created exists already: our own earlier success, an equivalent file, or another writer (decision 22). */

import { LitestreamError } from '../base/errors.ts';
import { CHECKSUM_FLAG } from '../formats/ltx/checksum.ts';
import { decodeHeader, describeRange, LTX_HEADER_SIZE } from '../formats/ltx/header.ts';
import { decodeTrailer, LTX_TRAILER_SIZE } from '../formats/ltx/trailer.ts';
import { formatTXID, type TXID } from '../formats/ltx/txid.ts';
import { chunksOf, readAll } from '../storage/body.ts';
import type { CallOptions, ObjectInfo, ObjectStore, PutBody } from '../storage/object-store.ts';
import type { Level } from './file-info.ts';

export interface Collision extends CallOptions {
  readonly level: Level;
  readonly minTXID: TXID;
  readonly maxTXID: TXID;
  readonly key: string;
  /** What was to be written. */
  readonly body: PutBody;
  /** The store's answer. */
  readonly cause: LitestreamError;
}

/** How a file is recognised without reading it: bytes, and the last 16 of them, which hold the checksum over the rest. */
export interface Fingerprint {
  readonly size: number;
  readonly trailer: Uint8Array;
}

/** What is read to settle a collision: LTX files as they are, whatever form they are stored in. */
export type ContentStore = Pick<ObjectStore, 'stat' | 'open' | 'destination'>;

/** Reads back what exists and returns it when it may stand for what was to be written. SECOND_WRITER with both sizes and trailers otherwise. */
export async function settleCollision(store: ContentStore, collision: Collision): Promise<ObjectInfo> {
  const { key, body, level, signal } = collision;
  const existing = await store.stat(key, { signal });
  const theirs: Fingerprint = { size: existing.size, trailer: await tailOf(store, existing, signal) };
  const ours = await fingerprintOf(body, key, signal);
  if (isSameFile(ours, theirs)) return existing;
  if (level >= 1 && (await isValidFile(store, existing, theirs, collision))) return existing;
  throw secondWriter(store.destination, collision, ours, theirs);
}

/** Another file of this name exists, and it is not ours. */
export const secondWriter = (destination: string, collision: Collision, ours: Fingerprint, theirs: Fingerprint): LitestreamError =>
  new LitestreamError(
    'SECOND_WRITER',
    `cannot create ${describeRange(collision)} at level ${collision.level}: another file of this name exists`,
    {
      cause: collision.cause,
      details: {
        key: collision.key,
        minTXID: formatTXID(collision.minTXID),
        maxTXID: formatTXID(collision.maxTXID),
        ours: { size: ours.size, trailer: hex(ours.trailer) },
        theirs: { size: theirs.size, trailer: hex(theirs.trailer) },
      },
      hint: `Another process replicates to ${destination}. Stop it, or give this database a destination of its own.`,
    },
  );

/** True when two fingerprints are of one file. */
export const isSameFile = (a: Fingerprint, b: Fingerprint): boolean => a.size === b.size && Buffer.compare(a.trailer, b.trailer) === 0;

/** Whether the plain file under `key` is `ours`; undefined when the answer was cut and tells no size. OBJECT_NOT_FOUND when there is none. */
export async function holdsFile(
  store: Pick<ObjectStore, 'open'>,
  key: string,
  ours: Fingerprint,
  signal: AbortSignal | undefined,
): Promise<boolean | undefined> {
  const offset = Math.max(0, ours.size - LTX_TRAILER_SIZE);
  const opened = await store.open(key, { offset, signal });
  const trailer = await readAll(opened);
  const { size } = opened;
  if (size === undefined && trailer.byteLength < LTX_TRAILER_SIZE) return undefined;
  if (size !== undefined && trailer.byteLength < size - offset) throw cutShort(key, size - offset, trailer.byteLength);
  return isSameFile(ours, { size: size ?? offset + trailer.byteLength, trailer });
}

/** Reads a body once to know it by its size and trailer. */
export async function fingerprintOf(body: PutBody, key: string, signal: AbortSignal | undefined): Promise<Fingerprint> {
  let size = 0;
  let trailer: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunksOf(body, key, signal)) {
    size += chunk.byteLength;
    trailer = Buffer.concat([trailer, chunk.subarray(-LTX_TRAILER_SIZE)]).subarray(-LTX_TRAILER_SIZE);
  }
  return { size, trailer };
}

/** The last bytes of a file; READ_TRUNCATED when not all of them come. */
export async function tailOf(
  store: Pick<ObjectStore, 'open'>,
  { key, size }: ObjectInfo,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const offset = Math.max(0, size - LTX_TRAILER_SIZE);
  const bytes = await readAll(await store.open(key, { offset, length: LTX_TRAILER_SIZE, signal }));
  if (bytes.byteLength < size - offset) throw cutShort(key, size - offset, bytes.byteLength);
  return bytes;
}

/** The end of a file did not come whole: whose it is cannot be told yet. */
const cutShort = (key: string, expected: number, came: number): LitestreamError =>
  new LitestreamError('READ_TRUNCATED', `reading the end of ${key}: ${came} of ${expected} bytes came`);

/** A header of the same range, a checksum in the trailer: as much as can be told without reading the whole file. */
async function isValidFile(store: ContentStore, { key }: ObjectInfo, { trailer }: Fingerprint, collision: Collision): Promise<boolean> {
  const bytes = await readAll(await store.open(key, { length: LTX_HEADER_SIZE, signal: collision.signal }));
  try {
    const header = decodeHeader(bytes);
    const hasChecksum = (decodeTrailer(trailer).fileChecksum & CHECKSUM_FLAG) !== 0n;
    return header.minTXID === collision.minTXID && header.maxTXID === collision.maxTXID && hasChecksum;
  } catch (error) {
    if (error instanceof LitestreamError) return false;
    throw error;
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
