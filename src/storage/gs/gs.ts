/** Objects in a bucket of Google Cloud Storage. */

import { orAbort } from '../../base/abortable.ts';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { chunksOf } from '../body.ts';
import { deleteFailure } from '../delete-failure.ts';
import { checkRootedKey, checkRootedPrefix, compareKeys } from '../key.ts';
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
import { destinationText } from '../place.ts';
import { checkRange } from '../range.ts';
import type { GCSStoreSpec } from '../spec.ts';
import { API } from './api.ts';
import type { TokenClientOptions } from './credentials.ts';
import { type Doing, foreign, missingBucket, missingObject, refusal, sentence } from './errors.ts';
import { OBJECT_FIELDS, objectOf } from './object.ts';
import { openObject } from './read.ts';
import { upload } from './upload.ts';

const PAGE_OBJECTS = '1000';
const LIST_FIELDS = `kind,nextPageToken,items(${OBJECT_FIELDS})`;
const DELETES_AT_ONCE = 24;

/**
 * A bucket; its keys are the names of objects. The creation time is metadata and comes with listings. Tags are generations; conditions on them
 * are checked by the service, atomically. One object takes about one write a second.
 */
export class GCSStore implements ObjectStore {
  readonly type = 'gs';
  readonly destination: string;
  readonly capabilities: StoreCapabilities = {
    timestamps: 'listing',
    conditionalPut: true,
    conditionalReplace: true,
    rangeRead: true,
    atomicPut: true,
    flatList: true,
    maxDeleteBatch: 1,
    needsSize: false,
  };
  readonly #bucket: string;
  readonly #api: API;

  constructor(spec: GCSStoreSpec, clientOptions?: TokenClientOptions) {
    if (spec.bucket === '')
      throw new LitestreamError('CONFIG_INVALID', 'a GCS replica names no bucket', { hint: 'Set bucket to its name.' });
    this.#bucket = spec.bucket;
    this.#api = new API(spec, clientOptions);
    this.destination = destinationText(spec);
  }

  async *list(prefix: string, { after, signal }: CallOptions & { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted();
    checkRootedPrefix(prefix);
    let pageToken: string | undefined;
    do {
      const page = await this.#page({ prefix, startOffset: after, pageToken }, signal);
      for (const object of page.objects) {
        signal?.throwIfAborted();
        // The offset is inclusive.
        if (object.key.startsWith(prefix) && (after === undefined || compareKeys(object.key, after) > 0)) yield object;
      }
      if (page.next !== undefined && page.next === pageToken)
        throw foreign(this.#doing('list', prefix), 'the listing goes round in circles');
      pageToken = page.next;
    } while (pageToken !== undefined);
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const { signal } = options;
    signal?.throwIfAborted();
    checkRootedKey(key);
    checkRange(key, options);
    const doing = this.#doing('open', key);
    const stat = () => this.#stat(doing, signal);
    const missing = () => this.#missing(doing, signal);
    return this.#within(signal, () => openObject({ api: this.#api, doing, stat, missing }, options));
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const { createdAt = Date.now(), ifAbsent = false, ifMatch, signal } = options;
    signal?.throwIfAborted();
    checkRootedKey(key);
    const doing = this.#doing('put', key);
    if (ifMatch !== undefined && !/^[1-9]\d*$/.test(ifMatch)) {
      throw new LitestreamError('PRECONDITION_FAILED', `${sentence(doing)}: it is not the version ${ifMatch}`);
    }
    const job = {
      api: this.#api,
      doing,
      chunks: chunksOf(body, key, signal),
      createdAt,
      ifGenerationMatch: ifAbsent ? '0' : ifMatch,
      signal,
    };
    const { size, tag } = await this.#within(signal, () => upload(job)).catch((error: unknown) => {
      throw hasCode(error, 'OBJECT_NOT_FOUND') ? missingBucket(doing) : error;
    });
    return { key, size, createdAt, tag };
  }

  async stat(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo> {
    signal?.throwIfAborted();
    checkRootedKey(key);
    return this.#within(signal, () => this.#stat(this.#doing('stat', key), signal));
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    for (const key of keys) checkRootedKey(key);
    const failures = new Map<string, unknown>();
    const slots = new Semaphore(DELETES_AT_ONCE);
    let absent: string | undefined;
    const remove = async (key: string): Promise<void> => {
      try {
        if ((await slots.run(() => this.#within(signal, () => this.#delete(key, signal)), signal)) === 'absent') absent = key;
      } catch (error) {
        signal?.throwIfAborted();
        failures.set(key, error);
      }
    };
    await Promise.all(keys.map(remove));
    // "Not there" is only believed of a bucket that is.
    if (absent !== undefined) {
      const error = await this.#within(signal, () => this.#missing(this.#doing('delete', absent ?? ''), signal));
      if (error.code !== 'OBJECT_NOT_FOUND') throw error;
    }
    if (failures.size > 0) throw deleteFailure(failures, keys, this.destination);
  }

  async close(): Promise<void> {
    this.#api.close();
  }

  async #page(query: Readonly<Record<string, string | undefined>>, signal: AbortSignal | undefined) {
    const doing = this.#doing('list', query.prefix ?? '');
    const url = this.#api.address('/storage/v1', this.#bucket, undefined, {
      maxResults: PAGE_OBJECTS,
      ...query,
      prefix: query.prefix === '' ? undefined : query.prefix,
      projection: 'noAcl',
      fields: LIST_FIELDS,
    });
    const { items = [], nextPageToken } = await this.#within(signal, () =>
      this.#api.resource({ method: 'GET', url, signal, doing }, 'storage#objects'),
    ).catch((error: unknown) => {
      throw hasCode(error, 'OBJECT_NOT_FOUND') ? missingBucket(doing) : error;
    });
    if (!Array.isArray(items)) throw foreign(doing, 'the answer is no listing');
    const next = typeof nextPageToken === 'string' && nextPageToken !== '' ? nextPageToken : undefined;
    return { objects: items.map((item: unknown) => listed(objectOf(item, doing))), next };
  }

  async #stat(doing: Doing, signal: AbortSignal | undefined): Promise<ObjectInfo> {
    const url = this.#api.address('/storage/v1', this.#bucket, doing.key, { fields: OBJECT_FIELDS });
    try {
      return objectOf(await this.#api.resource({ method: 'GET', url, signal, doing }, 'storage#object'), doing);
    } catch (error) {
      throw hasCode(error, 'OBJECT_NOT_FOUND') ? await this.#missing(doing, signal) : error;
    }
  }

  async #delete(key: string, signal: AbortSignal | undefined): Promise<'deleted' | 'absent'> {
    const doing = this.#doing('delete', key);
    const answer = await this.#api.send({ method: 'DELETE', url: this.#api.address('/storage/v1', this.#bucket, key, {}), signal, doing });
    if (answer.status === 204) {
      answer.body.resume();
      return 'deleted';
    }
    const error = await refusal(answer, doing);
    if (error.code === 'OBJECT_NOT_FOUND') return 'absent';
    throw error;
  }

  /** A missing bucket and a missing object answer alike; a listing tells them apart, and whether it was the service at all that answered. */
  async #missing(doing: Doing, signal: AbortSignal | undefined): Promise<LitestreamError> {
    try {
      const { objects } = await this.#page({ prefix: doing.key, maxResults: '1' }, signal);
      const isThere = doing.verb !== 'delete' && objects.some(({ key }) => key === doing.key);
      return isThere ? foreign(doing, 'the object is said to be missing, but is listed') : missingObject(doing);
    } catch (error) {
      signal?.throwIfAborted();
      // Without the right to list, a missing object is not told as such: who is told so has it, or the service lets everybody know.
      if (hasCode(error, 'ACCESS_DENIED')) return missingObject(doing);
      if (error instanceof LitestreamError) return error;
      throw error;
    }
  }

  async #within<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await orAbort(work(), signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }

  #doing(verb: Doing['verb'], key: string): Doing {
    return { verb, key, bucket: this.#bucket, endpoint: this.#api.endpoint };
  }
}

/** Tags are not told by listings. */
const listed = ({ tag: _, ...info }: ObjectInfo): ObjectInfo => info;
