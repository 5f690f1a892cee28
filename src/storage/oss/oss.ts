/** Objects in a bucket of Alibaba Cloud OSS. */

import { hasCode, LitestreamError } from '../../base/errors.ts';
import { chunksOf } from '../body.ts';
import { deleteFailure } from '../delete-failure.ts';
import { checkLiteralKey, checkLiteralPrefix } from '../key.ts';
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
import { checkRange } from '../range.ts';
import { emptyObject } from '../remote/opened-object.ts';
import type { OSSStoreSpec } from '../spec.ts';
import { OSSClient } from './client.ts';
import { BATCH_KEYS, deleteObjects } from './delete.ts';
import { notOSS } from './errors.ts';
import { listObjects, probeBucket } from './listing.ts';
import { infoOf, timestampHeaders } from './metadata.ts';
import { openObject } from './reading.ts';
import { upload } from './upload.ts';

/** Longest wait at closing for uploads that are being removed, ms. */
const CLOSING_MS = 5_000;

/**
 * A bucket, through requests of our own. The service can refuse to overwrite, but cannot replace one version: leases are not possible there.
 * Keys are taken as they are, also such as `/0000/x` and `./0000/x`, which the original writes for paths that are empty or a dot.
 */
export class OSSStore implements ObjectStore {
  readonly type = 'oss';
  readonly destination: string;
  readonly capabilities: StoreCapabilities = {
    timestamps: 'stat',
    conditionalPut: true,
    conditionalReplace: false,
    rangeRead: true,
    atomicPut: true,
    flatList: true,
    maxDeleteBatch: BATCH_KEYS,
    needsSize: false,
  };
  readonly #client: OSSClient;
  readonly #spec: OSSStoreSpec;
  readonly #background = new Set<Promise<void>>();

  constructor(spec: OSSStoreSpec) {
    this.#spec = spec;
    this.#client = new OSSClient(spec);
    this.destination = `oss://${spec.bucket}/${spec.path} (${this.#client.endpoint.authority})`;
  }

  async *list(prefix: string, { after, signal }: CallOptions & { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted();
    checkLiteralPrefix('list', prefix);
    yield* listObjects(this.#client, { prefix, after, signal });
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const { length, signal } = options;
    signal?.throwIfAborted();
    checkLiteralKey('open', key);
    checkRange(key, options);
    if (length === 0) {
      const { size, tag } = await this.stat(key, { signal });
      return emptyObject(key, size, tag);
    }
    return this.#found(signal, () => openObject(this.#client, key, options));
  }

  async put(key: string, body: PutBody, { createdAt, ifAbsent = false, ifMatch, signal }: PutOptions = {}): Promise<ObjectInfo> {
    signal?.throwIfAborted();
    checkLiteralKey('write', key);
    if (ifMatch !== undefined) {
      throw new LitestreamError('NOT_SUPPORTED', `cannot replace one version of ${key}: OSS has no such condition`, {
        hint: 'A lease needs another destination.',
      });
    }
    const { size, tag } = await upload(this.#client, {
      key,
      chunks: (ending) => chunksOf(body, key, ending),
      size: body.size,
      headers: { ...timestampHeaders(createdAt), ...(ifAbsent ? { 'x-oss-forbid-overwrite': 'true' } : {}) },
      partBytes: this.#spec.partSize,
      concurrency: this.#spec.concurrency,
      signal,
      inBackground: (work) => this.#inBackground(work),
    });
    return { key, size, createdAt: createdAt ?? Date.now(), tag };
  }

  async stat(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo> {
    signal?.throwIfAborted();
    checkLiteralKey('look at', key);
    const call = { operation: 'look at', method: 'HEAD', key, signal } as const;
    const answer = await this.#found(signal, () => this.#client.finish(call));
    const info = infoOf(key, answer);
    if (info === undefined) throw notOSS(this.#client.attempt(call), 'answered without size or time');
    return info;
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    for (const key of keys) checkLiteralKey('delete', key);
    const failures = await deleteObjects(this.#client, keys, signal);
    if (failures.size > 0) throw deleteFailure(failures, keys, this.destination);
  }

  async close(): Promise<void> {
    const limit = AbortSignal.timeout(CLOSING_MS);
    const over = new Promise<void>((resolve) => limit.addEventListener('abort', () => resolve(), { once: true }));
    if (this.#background.size > 0) await Promise.race([Promise.all(this.#background), over]);
    this.#client.close();
  }

  /** A 404 that does not say what is missing is believed of the object only when the bucket is there. */
  async #found<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (hasCode(error, 'OBJECT_NOT_FOUND') && error.details?.provider === undefined) await probeBucket(this.#client, signal);
      throw error;
    }
  }

  #inBackground(work: () => Promise<void>): void {
    const running: Promise<void> = work()
      .catch(() => {}) // a part that is left costs only space, until the bucket's own rule removes it
      .finally(() => this.#background.delete(running));
    this.#background.add(running);
  }
}
