/** An object store in the process's memory: the reference of the contract, and the store of tests. */

import { type Clock, systemClock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import { chunksOf, once } from '../body.ts';
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
import { type ByteRange, rangeOf } from '../range.ts';

const CHUNK_BYTES = 64 * 1024;

interface StoredObject {
  readonly bytes: Uint8Array;
  readonly createdAt: number;
  readonly version: number;
}

export interface MemoryStoreOptions {
  readonly clock?: Clock;
  /** Takes abilities away or gives more, to stand for another service. */
  readonly capabilities?: Partial<Pick<StoreCapabilities, 'conditionalPut' | 'conditionalReplace' | 'timestamps' | 'flatList'>>;
}

export class MemoryStore implements ObjectStore {
  readonly type = 'memory';
  readonly destination = 'memory';
  readonly capabilities: StoreCapabilities;
  readonly #objects = new Map<string, StoredObject>();
  readonly #clock: Clock;
  #versions = 0;

  constructor({ clock = systemClock, capabilities = {} }: MemoryStoreOptions = {}) {
    this.#clock = clock;
    this.capabilities = {
      timestamps: 'listing',
      conditionalPut: true,
      conditionalReplace: true,
      rangeRead: true,
      atomicPut: true,
      maxDeleteBatch: 1000,
      needsSize: false,
      ...capabilities,
    };
  }

  async *list(prefix: string, { after, signal }: CallOptions & { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted();
    checkPrefix(prefix);
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0));
    for (const key of keys.sort(compareKeys)) {
      signal?.throwIfAborted();
      const object = this.#objects.get(key);
      if (object !== undefined)
        yield { ...infoOf(key, object), ...(this.capabilities.timestamps === 'listing' ? {} : { createdAt: this.#clock.now() }) };
    }
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    options.signal?.throwIfAborted();
    const object = this.#get(key, 'open');
    const range = rangeOf(key, object.bytes.byteLength, options);
    let closed = false;
    return {
      size: object.bytes.byteLength,
      tag: String(object.version),
      body: once(key, () => readChunks(key, object.bytes, range, options.signal, () => closed)),
      close: async () => {
        closed = true;
      },
    };
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const { createdAt = this.#clock.now(), ifAbsent = false, ifMatch, signal } = options;
    signal?.throwIfAborted();
    checkKey(key);
    if ((ifAbsent && !this.capabilities.conditionalPut) || (ifMatch !== undefined && !this.capabilities.conditionalReplace)) {
      throw new LitestreamError('NOT_SUPPORTED', `cannot write ${key} under a condition: this store has no such put`);
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of chunksOf(body, key, signal)) chunks.push(Uint8Array.from(chunk));
    signal?.throwIfAborted();
    if (ifAbsent && this.#objects.has(key)) throw new LitestreamError('PRECONDITION_FAILED', `cannot create ${key}: it exists`);
    if (ifMatch !== undefined && String(this.#objects.get(key)?.version) !== ifMatch) {
      throw new LitestreamError('PRECONDITION_FAILED', `cannot replace ${key}: it is not the version ${ifMatch}`);
    }
    this.#versions += 1;
    const object: StoredObject = { bytes: new Uint8Array(Buffer.concat(chunks)), createdAt, version: this.#versions };
    this.#objects.set(key, object);
    return taggedInfoOf(key, object);
  }

  async stat(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo> {
    signal?.throwIfAborted();
    return taggedInfoOf(key, this.#get(key, 'stat'));
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    for (const key of keys) checkKey(key);
    for (const key of keys) this.#objects.delete(key);
  }

  async close(): Promise<void> {}

  #get(key: string, verb: string): StoredObject {
    checkKey(key);
    const object = this.#objects.get(key);
    if (object === undefined) throw new LitestreamError('OBJECT_NOT_FOUND', `cannot ${verb} ${key}: no such object in memory`);
    return object;
  }
}

const infoOf = (key: string, object: StoredObject): ObjectInfo => ({ key, size: object.bytes.byteLength, createdAt: object.createdAt });
const taggedInfoOf = (key: string, object: StoredObject): ObjectInfo => ({ ...infoOf(key, object), tag: String(object.version) });

async function* readChunks(key: string, bytes: Uint8Array, range: ByteRange, signal: AbortSignal | undefined, isClosed: () => boolean) {
  for (let at = range.start; at < range.end; at += CHUNK_BYTES) {
    signal?.throwIfAborted();
    if (isClosed()) throw new LitestreamError('INTERNAL', `${key} was read after it was closed`);
    // A copy: a reader that works in place must not change what is stored.
    yield bytes.slice(at, Math.min(range.end, at + CHUNK_BYTES));
  }
}
