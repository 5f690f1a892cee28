/** The stream behind a bucket: checked before it is used, its records found, listed, and marked as deleted. */

import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import type { NATSStoreSpec } from '../spec.ts';
import { API_ERROR, JetStreamError } from './errors.ts';
import { JetStream, type StreamConfig } from './jetstream.ts';
import { Link } from './link.ts';
import { type FoundRecord, listRecords } from './listing.ts';
import { chunkSubject, decodeRecord, encodeDeleted, recordSubject } from './object-info.ts';
import { checkCurrent, type PutCondition } from './publish.ts';

/** Rounds of a deletion whose object is replaced meanwhile. */
const DELETE_ROUNDS = 5;

export class Bucket {
  readonly name: string;
  readonly jetStream: JetStream;
  #config: StreamConfig | undefined;

  constructor({ bucket, ...spec }: NATSStoreSpec) {
    if (!/^[-\w]+$/.test(bucket)) {
      throw new LitestreamError('CONFIG_INVALID', `${JSON.stringify(bucket)} cannot be the name of a NATS object store`, {
        hint: 'Names of buckets have letters, digits, - and _ only.',
      });
    }
    this.name = bucket;
    this.jetStream = new JetStream(new Link({ bucket, ...spec }), bucket);
  }

  /** Checks once that the stream exists: opening it through the library would make it, as one replica and without its limits. */
  async ready(signal: AbortSignal | undefined): Promise<StreamConfig> {
    this.#config ??= await this.jetStream.config(signal);
    return this.#config;
  }

  /** Nobody answers a message to a subject of no stream: whether the bucket is gone meanwhile has to be asked. */
  async explain(error: unknown): Promise<unknown> {
    if (!(error instanceof Error) || systemCode(error) !== '503') return error;
    try {
      await this.jetStream.config(undefined);
      return error;
    } catch (reason) {
      return reason instanceof JetStreamError ? reason : error;
    }
  }

  async find(key: string, signal: AbortSignal | undefined): Promise<FoundRecord | undefined> {
    await this.ready(signal);
    const message = await this.jetStream.last(recordSubject(this.name, key), signal);
    if (message === undefined) return undefined;
    return { key, record: decodeRecord(key, message.data), sequence: message.sequence, time: message.time };
  }

  /** The newest record of every wanted key. */
  async all(wanted: (key: string) => boolean, signal: AbortSignal | undefined): Promise<FoundRecord[]> {
    await this.ready(signal);
    return listRecords(this, wanted, signal);
  }

  async checkCondition(key: string, condition: PutCondition, signal: AbortSignal | undefined): Promise<void> {
    if (condition !== 'any') checkCurrent(key, condition, await this.find(key, signal));
  }

  /** Marks the object as deleted, as other clients expect it, then removes chunks and mark: marks would slow down every listing for ever. */
  async delete(key: string, signal: AbortSignal | undefined): Promise<void> {
    for (let round = 1; ; round++) {
      const found = await this.find(key, signal);
      if (found === undefined || found.record.deleted) return;
      try {
        await this.#deleteVersion(found, signal);
        return;
      } catch (error) {
        const replaced = error instanceof JetStreamError && error.errorCode === API_ERROR.wrongLastSequence;
        if (!replaced || round === DELETE_ROUNDS) throw error;
      }
    }
  }

  async #deleteVersion({ key, record, sequence }: FoundRecord, signal: AbortSignal | undefined): Promise<void> {
    const subject = recordSubject(this.name, key);
    const mark = await this.jetStream.publish(subject, encodeDeleted(record), { rollup: true, expectedLast: sequence, signal });
    await Promise.all([
      this.jetStream.purge(chunkSubject(this.name, record.nuid), { signal }),
      this.jetStream.purge(subject, { through: mark, signal }),
    ]);
  }

  /** What about the bucket endangers backups in it. */
  async concerns(signal: AbortSignal | undefined): Promise<readonly string[]> {
    const { max_age: maxAge = 0, max_bytes: maxBytes = 0, storage, discard, sealed } = await this.jetStream.config(signal);
    const place = `NATS object store ${this.name}`;
    const concerns: string[] = [];
    if (maxAge > 0) concerns.push(`${place} deletes objects after ${maxAge / 1e9} s (max age): backups vanish by themselves`);
    if (storage === 'memory') concerns.push(`${place} is kept in memory: backups are gone when the server restarts`);
    if (discard !== 'new' && maxBytes > 0)
      concerns.push(`${place} drops the oldest chunks when it is full (discard old): backups are damaged then`);
    if (sealed === true) concerns.push(`${place} is sealed: nothing can be written or deleted`);
    return concerns;
  }
}
