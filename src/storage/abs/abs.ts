/** Objects as block blobs of an Azure storage container. */

import type { BlobRequestConditions, ContainerClient } from '@azure/storage-blob';
import { orAbort } from '../../base/abortable.ts';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { formatTimestamp, parseTimestamp } from '../../base/timestamp.ts';
import { chunksOf } from '../body.ts';
import { deleteFailure } from '../delete-failure.ts';
import { checkRootedKey, checkRootedPrefix } from '../key.ts';
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
import type { AzureStoreSpec } from '../spec.ts';
import { type AzureConnection, connect } from './client.ts';
import { BATCH_KEYS, Deleter } from './delete.ts';
import { azureError, type Doing, foreign, sentence } from './errors.ts';
import { Lister, type Request } from './list.ts';
import { openBlob } from './read.ts';
import { upload } from './upload.ts';

/** Names of metadata are identifiers here, without hyphens. */
const TIMESTAMP = 'litestreamtimestamp';

/**
 * A container of a storage account; its keys are the names of blobs. The creation time is metadata and comes with listings. Conditions are
 * checked by the service, atomically. No access tier is asked for: accounts without tiers would refuse.
 */
export class AzureStore implements ObjectStore {
  readonly type = 'abs';
  readonly destination: string;
  readonly capabilities: StoreCapabilities = {
    timestamps: 'listing',
    conditionalPut: true,
    conditionalReplace: true,
    rangeRead: true,
    atomicPut: true,
    flatList: true,
    maxDeleteBatch: BATCH_KEYS,
    needsSize: false,
  };
  readonly #spec: AzureStoreSpec;
  readonly #deleter = new Deleter();
  readonly #lister = new Lister();
  #connection: Promise<AzureConnection> | undefined;

  constructor(spec: AzureStoreSpec) {
    if (spec.bucket === '')
      throw new LitestreamError('CONFIG_INVALID', 'an Azure replica names no container', { hint: 'Set bucket to its name.' });
    this.#spec = spec;
    this.destination = destinationText(spec);
  }

  async *list(prefix: string, { after, signal }: CallOptions & { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted();
    checkRootedPrefix(prefix);
    const container = await this.#container(signal);
    const doing = this.#doing('list', prefix, container);
    const request: Request = (send, tolerate) => this.#request(doing, signal, send, tolerate);
    for await (const blob of this.#lister.blobs(container, { prefix, after }, { doing, request, signal })) {
      signal?.throwIfAborted();
      yield { key: blob.name, size: blob.properties.contentLength ?? 0, ...timeOf(blob.metadata, blob.properties) };
    }
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    options.signal?.throwIfAborted();
    checkRootedKey(key);
    checkRange(key, options);
    const container = await this.#container(options.signal);
    const doing = this.#doing('open', key, container);
    const request = <T, U>(signal: AbortSignal, send: () => Promise<T>, tolerate: (error: unknown) => U | undefined) =>
      this.#request(doing, signal, send, tolerate);
    const stat = (signal: AbortSignal | undefined) => this.stat(key, { signal });
    return openBlob({ blob: container.getBlockBlobClient(key), key, doing, request, stat }, options);
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const { createdAt = Date.now(), ifAbsent = false, ifMatch, signal } = options;
    signal?.throwIfAborted();
    checkRootedKey(key);
    const container = await this.#container(signal);
    const doing = this.#doing('put', key, container);
    const { size, etag } = await upload({
      blob: container.getBlockBlobClient(key),
      chunks: chunksOf(body, key, signal),
      size: body.size,
      metadata: { [TIMESTAMP]: formatTimestamp(createdAt) },
      conditions: conditionsOf(ifAbsent, ifMatch),
      signal,
      request: (signalOfPart, send) => this.#request(doing, signalOfPart, send),
    }).catch((error: unknown) => {
      throw ifMatch !== undefined && isOtherVersion(error)
        ? new LitestreamError('PRECONDITION_FAILED', `${sentence(doing)}: it is not the version ${ifMatch}`, { cause: error })
        : error;
    });
    if (etag === undefined) throw foreign(doing, 'the answer names no version');
    return { key, size, createdAt, tag: etag };
  }

  async stat(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo> {
    signal?.throwIfAborted();
    checkRootedKey(key);
    const container = await this.#container(signal);
    const doing = this.#doing('stat', key, container);
    const blob = container.getBlobClient(key);
    const found = await this.#request(doing, signal, () => blob.getProperties(signal === undefined ? {} : { abortSignal: signal }));
    if (found.blobType === undefined || found.etag === undefined || found.contentLength === undefined) {
      throw foreign(doing, 'the answer is not that of the service');
    }
    return { key, size: found.contentLength, ...timeOf(found.metadata, found), tag: found.etag };
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    for (const key of keys) checkRootedKey(key);
    if (keys.length === 0) return;
    const container = await this.#container(signal);
    const request = <T>(key: string, send: () => Promise<T>) => this.#request(this.#doing('delete', key, container), signal, send);
    const failures = await this.#deleter.delete(keys, { container, signal, request });
    if (failures.size > 0) throw deleteFailure(failures, keys, this.destination);
  }

  async close(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    this.#connection = undefined;
    connection?.close();
  }

  /** Connects once; a failed attempt is made again by the next call. */
  async #container(signal: AbortSignal | undefined): Promise<ContainerClient> {
    this.#connection ??= connect(this.#spec);
    const connection = this.#connection;
    try {
      return (await orAbort(connection, signal)).container;
    } catch (error) {
      if (this.#connection === connection && signal?.aborted !== true) this.#connection = undefined;
      throw error;
    }
  }

  async #request<T, U = never>(
    doing: Doing,
    signal: AbortSignal | undefined,
    send: () => Promise<T>,
    tolerate?: (error: unknown) => U | undefined,
  ): Promise<T | U> {
    signal?.throwIfAborted();
    try {
      return await orAbort(send(), signal);
    } catch (error) {
      signal?.throwIfAborted();
      const instead = tolerate?.(error);
      if (instead !== undefined) return instead;
      const failure = azureError(error, doing);
      // An identity may be given anew; what stands in the configuration is not.
      if (failure.code === 'CREDENTIALS_INVALID' && Object.keys(this.#spec.credentials ?? {}).length === 0) await this.close();
      throw failure;
    }
  }

  #doing(verb: Doing['verb'], key: string, container: ContainerClient): Doing {
    return { verb, key, container: this.#spec.bucket, endpoint: new URL(container.url).host };
  }
}

/** Only the version that is meant, or nothing; without a condition whatever is there is replaced. */
function conditionsOf(ifAbsent: boolean, ifMatch: string | undefined): BlobRequestConditions {
  if (ifAbsent) return { ifNoneMatch: '*' };
  return ifMatch === undefined ? {} : { ifMatch };
}

/** A version that the service does not know at all, or whose blob is gone, is not the one that is there. */
const isOtherVersion = (error: unknown): boolean =>
  hasCode(error, 'OBJECT_NOT_FOUND') || (hasCode(error, 'NOT_SUPPORTED') && error.details?.provider === 'InvalidHeaderValue');

/** Of blobs that were copied without their metadata it is the service's own time. */
function timeOf(
  metadata: Readonly<Record<string, string>> | undefined,
  own: { readonly createdOn?: Date; readonly lastModified?: Date },
): Pick<ObjectInfo, 'createdAt' | 'exactTime'> {
  const entry = Object.entries(metadata ?? {}).find(([name]) => name.toLowerCase() === TIMESTAMP);
  const createdAt = parseTimestamp(entry?.[1]);
  if (createdAt !== undefined) return { createdAt };
  return { createdAt: (own.createdOn ?? own.lastModified)?.getTime() ?? 0, exactTime: false };
}
