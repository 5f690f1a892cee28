/** The records of a bucket, none forgotten while others write: where records are removed meanwhile, servers end a consumer early or have it skip some. */

import { LitestreamError } from '../../base/errors.ts';
import { LinkError } from './errors.ts';
import type { JetStream } from './jetstream.ts';
import { allRecords, decodeRecord, keyOfSubject, type ObjectRecord } from './object-info.ts';
import { Pull } from './pull.ts';

const RECORDS_BATCH = 500;
/** After so long without a record the rest is asked for by name, ms: a server that has lost count sends nothing, nor says so. */
const WAIT_MS = 4000;
/** Records that were passed over and are asked for at the same time. */
const PARALLEL = 16;
/** How often what is there may have changed again before a listing is given up. */
const ROUNDS = 20;

export interface FoundRecord {
  readonly key: string;
  readonly record: ObjectRecord;
  /** The version: sequence number of the record. */
  readonly sequence: number;
  /** When the server stored it, ms since the epoch. */
  readonly time: number;
}

export interface ListedBucket {
  readonly jetStream: JetStream;
  readonly name: string;
}

/**
 * The newest record of every wanted key. Costs the records of the whole bucket: the server cannot tell keys apart. If the stream has changed meanwhile, what was
 * passed over is asked for by name until nothing of it has gone: then whoever put one object and removed another because of it is seen with one of them at least.
 */
export async function listRecords(
  bucket: ListedBucket,
  wanted: (key: string) => boolean,
  signal: AbortSignal | undefined,
): Promise<FoundRecord[]> {
  const { jetStream, name } = bucket;
  const before = await jetStream.fingerprint(signal);
  const found = new Map<string, FoundRecord>();
  const isOver = await collect(bucket, wanted, found, signal);
  if (isOver && (await jetStream.fingerprint(signal)) === before) return [...found.values()];
  for (let round = 0; round < ROUNDS; round++) {
    const there = await jetStream.subjects(allRecords(name), signal);
    const missing = there.flatMap((subject) => {
      const key = keyOfSubject(name, subject);
      return key !== undefined && wanted(key) && !found.has(key) ? [{ key, subject }] : [];
    });
    let gone = 0;
    for (let at = 0; at < missing.length; at += PARALLEL) {
      const asked = missing.slice(at, at + PARALLEL).map(async ({ key, subject }) => {
        const message = await jetStream.last(subject, signal);
        const record = message && decodeRecord(key, message.data);
        if (message === undefined || record === undefined || record.deleted) gone += 1;
        else found.set(key, { key, record, sequence: message.sequence, time: message.time });
      });
      await Promise.all(asked);
    }
    if (gone === 0) return [...found.values()];
  }
  throw new LitestreamError('STORAGE_UNAVAILABLE', `cannot list NATS object store ${name}: it changes faster than it can be looked at`);
}

/** Collects records as they come; false when the server was silent before their end. */
async function collect(
  { jetStream, name }: ListedBucket,
  wanted: (key: string) => boolean,
  found: Map<string, FoundRecord>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const settings = { filter: allRecords(name), deliver: 'last_per_subject', batch: RECORDS_BATCH, waitMs: WAIT_MS } as const;
  const pull = new Pull(jetStream, settings, signal);
  try {
    await pull.start();
    for (;;) {
      const message = await pull.next();
      if (message === undefined) return true;
      const key = keyOfSubject(name, message.subject);
      if (key !== undefined && wanted(key)) {
        const { sequence, time } = message;
        found.set(key, { key, record: decodeRecord(key, message.data), sequence, time });
      }
      if (message.pending === 0) return true;
    }
  } catch (error) {
    if (error instanceof LinkError && error.code === 'TIMEOUT') return false;
    throw error;
  } finally {
    pull.close();
  }
}
