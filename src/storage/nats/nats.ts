/** Objects in a bucket of a NATS JetStream object store. */

import { LitestreamError } from '../../base/errors.ts';
import { LinkedAbort } from '../../base/linked-abort.ts';
import { once } from '../body.ts';
import { deleteFailure } from '../delete-failure.ts';
import { checkKey, checkPrefix, compareKeys } from '../key.ts';
import type {
  CallOptions,
  ObjectInfo,
  ObjectStore,
  OpenedObject,
  OpenOptions,
  PutBody,
  PutOptions,
  StoreCapabilities,
} from '../object-store.ts';
import { rangeOf } from '../range.ts';
import type { NATSStoreSpec } from '../spec.ts';
import { Bucket } from './bucket.ts';
import { ChunkIndex } from './chunk-index.ts';
import { type Doing, natsError } from './errors.ts';
import type { FoundRecord } from './listing.ts';
import { encodeRecord } from './object-info.ts';
import { type PutCondition, publishRecord } from './publish.ts';
import { readChunks } from './reading.ts';
import { ChunkUpload } from './upload.ts';

/** What all clients of object stores cut objects into, bytes. */
const CHUNK_BYTES = 128 * 1024;
const DELETES_AT_ONCE = 16;
/** Why a body ends that was closed. */
const CLOSED = Symbol('closed');
/** Longest wait at closing for what is still being removed, ms. */
const CLOSING_MS = 5_000;

/**
 * A bucket, which has to exist. The wire format is that of all NATS clients, so that the original reads what is written here and the other
 * way round. The version of an object is the sequence number of its record, and every write names the one it replaces: nobody overwrites
 * what he has not seen, and whoever replaces an object removes its chunks.
 */
export class NATSStore implements ObjectStore {
  readonly type = 'nats';
  readonly destination: string;
  readonly capabilities: StoreCapabilities = {
    timestamps: 'listing',
    conditionalPut: true,
    conditionalReplace: true,
    rangeRead: true,
    atomicPut: true,
    flatList: true,
    maxDeleteBatch: 1000,
    needsSize: false,
  };
  readonly #bucket: Bucket;
  readonly #servers: string;
  readonly #index = new ChunkIndex();
  readonly #removals = new Set<Promise<void>>();

  constructor(spec: NATSStoreSpec) {
    this.#servers = spec.servers.join(', ');
    this.destination = `${spec.servers[0] ?? 'nats://127.0.0.1:4222'}/${spec.bucket}${spec.path === '' ? '' : `/${spec.path}`}`;
    this.#bucket = new Bucket(spec);
  }

  async *list(prefix: string, { after, signal }: CallOptions & { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted();
    checkPrefix(prefix);
    const wanted = (key: string): boolean => key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0);
    const found = await this.#guard(`list ${prefix}`, () => this.#bucket.all(wanted, signal));
    for (const object of found.filter(({ record }) => !record.deleted).sort((a, b) => compareKeys(a.key, b.key))) {
      signal?.throwIfAborted();
      const { tag: _, ...info } = infoOf(object);
      yield info;
    }
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const { signal } = options;
    const found = await this.#existing(`read ${key}`, key, signal);
    const { record, sequence } = found;
    const range = rangeOf(key, record.size, options);
    const closing = new LinkedAbort(signal);
    const source = { jetStream: this.#bucket.jetStream, bucket: this.#bucket.name, key, record, sequence, index: this.#index };
    return {
      size: record.size,
      tag: String(sequence),
      body: once(key, () => this.#translated(`read ${key}`, readChunks(source, range, closing.signal), closing)),
      close: async () => closing.abort(CLOSED),
    };
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const { signal, createdAt } = options;
    signal?.throwIfAborted();
    checkKey(key);
    const condition = conditionOf(key, options);
    return this.#guard(`write ${key}`, async () => {
      await this.#bucket.ready(signal);
      if (!isSmall(body) || condition !== 'absent') await this.#bucket.checkCondition(key, condition, signal);
      const chunkSize = Math.min(CHUNK_BYTES, await this.#bucket.jetStream.link.maxPayload(signal));
      const upload = new ChunkUpload(this.#bucket.jetStream, this.#bucket.name, chunkSize);
      const content = await upload.run(body, key, signal).catch((error: unknown) => {
        this.#remove(() => upload.discard());
        throw error;
      });
      const { nuid } = upload;
      const record = encodeRecord({ bucket: this.#bucket.name, key, nuid, chunkSize, createdAt, ...content });
      const stored = await publishRecord(this.#bucket, { key, nuid, record, condition, signal }, (removal) => this.#remove(removal));
      this.#index.noteEven(nuid);
      return { key, size: content.size, createdAt: createdAt ?? Date.now(), tag: String(stored) };
    });
  }

  async stat(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo> {
    return infoOf(await this.#existing(`look at ${key}`, key, signal));
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    for (const key of keys) checkKey(key);
    if (keys.length === 0) return;
    await this.#guard('delete objects', () => this.#bucket.ready(signal));
    const failures = new Map<string, unknown>();
    const queue = keys.values();
    const work = async () => {
      for (const key of queue) {
        await this.#guard(`delete ${key}`, () => this.#bucket.delete(key, signal)).catch((error: unknown) => failures.set(key, error));
        signal?.throwIfAborted();
      }
    };
    await Promise.all(Array.from({ length: Math.min(DELETES_AT_ONCE, keys.length) }, work));
    if (failures.size > 0) throw deleteFailure(failures, keys, this.destination);
  }

  async concerns({ signal }: CallOptions = {}): Promise<readonly string[]> {
    return this.#guard('look at the bucket', () => this.#bucket.concerns(signal));
  }

  async close(): Promise<void> {
    const limit = AbortSignal.timeout(CLOSING_MS);
    const over = new Promise<void>((resolve) => limit.addEventListener('abort', () => resolve(), { once: true }));
    await Promise.race([Promise.all(this.#removals), over]);
    await this.#bucket.jetStream.link.close();
  }

  async #existing(what: string, key: string, signal: AbortSignal | undefined): Promise<FoundRecord> {
    signal?.throwIfAborted();
    checkKey(key);
    const found = await this.#guard(what, () => this.#bucket.find(key, signal));
    if (found !== undefined && !found.record.deleted) return found;
    throw new LitestreamError('OBJECT_NOT_FOUND', `cannot ${what} in NATS object store ${this.#bucket.name}: there is no such object`);
  }

  /** Removes in the background what nobody refers to; what fails is left, which costs only space. */
  #remove(removal: () => Promise<void>): void {
    const running: Promise<void> = removal()
      .catch(() => {})
      .finally(() => this.#removals.delete(running));
    this.#removals.add(running);
  }

  async #guard<T>(what: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw natsError(await this.#bucket.explain(error), this.#doing(what));
    }
  }

  async *#translated(what: string, source: AsyncIterable<Uint8Array>, closing: LinkedAbort): AsyncGenerator<Uint8Array> {
    try {
      yield* source;
    } catch (error) {
      // Who has closed the body wants to hear nothing of it any more.
      if (closing.signal.reason !== CLOSED) throw natsError(await this.#bucket.explain(error), this.#doing(what));
    } finally {
      closing.release();
    }
  }

  #doing(what: string): Doing {
    return { what, bucket: this.#bucket.name, servers: this.#servers };
  }
}

/** Cheaper to send in vain than to ask first. */
const isSmall = ({ size }: PutBody): boolean => size !== undefined && size <= 8 * CHUNK_BYTES;

function infoOf({ key, record, sequence, time }: FoundRecord): ObjectInfo {
  return { key, size: record.size, createdAt: record.createdAt ?? Math.floor(time), tag: String(sequence) };
}

function conditionOf(key: string, { ifAbsent = false, ifMatch }: PutOptions): PutCondition {
  if (ifAbsent && ifMatch !== undefined) throw new LitestreamError('USAGE', `cannot write ${key}: both absent and of a version`);
  return ifAbsent ? 'absent' : ifMatch === undefined ? 'any' : { tag: ifMatch };
}
