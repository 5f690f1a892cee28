/** Objects as files of a WebDAV server. */

import { posix } from 'node:path';
import { orAbort } from '../../base/abortable.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import { chunksOf } from '../body.ts';
import { FILE_SERVER_CAPABILITIES } from '../directories/capabilities.ts';
import { deleteKeys } from '../directories/deletion.ts';
import { Leftovers, type Removal } from '../directories/leftovers.ts';
import { checkFinalKey, isStaleTemp } from '../directories/temp-name.ts';
import { directoryOfPrefix, type TreeEntry, walkTree } from '../directories/tree.ts';
import { checkKey, checkPrefix } from '../key.ts';
import type { CallOptions, ObjectInfo, ObjectStore, OpenedObject, OpenOptions, PutBody, PutOptions } from '../object-store.ts';
import type { WebDAVStoreSpec } from '../spec.ts';
import { cleaned, DAVClient } from './client.ts';
import { deleteFiles } from './delete.ts';
import { download } from './download.ts';
import { HTTP_LIMITS, type HTTPLimits, type SentBody } from './http.ts';
import type { DAVResource } from './multistatus.ts';
import { DAVRoot } from './root.ts';
import { spool } from './spool.ts';
import { Uploads } from './upload.ts';

export interface WebDAVStoreOptions {
  readonly limits?: Partial<HTTPLimits>;
  readonly clock?: Clock;
}

/**
 * A directory of a WebDAV server as an object store. Objects are written beside their place, measured, and moved there; create-only rests on
 * the header `Overwrite: F`. Modification times are the server's own; exact times stand in the files. Keys ending in `.tmp` are refused,
 * because files of that name are unfinished ones and never listed.
 */
export class WebDAVStore implements ObjectStore {
  readonly type = 'webdav';
  readonly destination: string;
  readonly capabilities = FILE_SERVER_CAPABILITIES;
  readonly #client: DAVClient;
  readonly #root: DAVRoot;
  readonly #clock: Clock;
  readonly #leftovers = new Leftovers();
  readonly #uploads: Uploads;

  constructor(spec: WebDAVStoreSpec, { limits = {}, clock = systemClock }: WebDAVStoreOptions = {}) {
    this.#client = new DAVClient(spec, { ...HTTP_LIMITS, ...limits });
    this.#root = new DAVRoot(this.#client, cleaned(`${this.#client.base}/${spec.path}`));
    this.#clock = clock;
    this.#uploads = new Uploads(this.#client, this.#root, this.#leftovers, (path) => this.#removeTemp(path));
    this.destination = decodeURI(this.#client.url(this.#root.path));
  }

  async *list(prefix: string, { after, signal }: CallOptions & { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted();
    checkPrefix(prefix);
    yield* walkTree((directory) => this.#readDirectory(directory, signal), directoryOfPrefix(prefix), { prefix, after, signal });
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    options.signal?.throwIfAborted();
    return this.#guard(options.signal, () => download(this.#client, this.#path(key), key, options));
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const { signal, createdAt, ifAbsent = false, ifMatch } = options;
    signal?.throwIfAborted();
    const path = this.#path(key);
    checkFinalKey(key);
    if (ifMatch !== undefined)
      throw new LitestreamError(
        'NOT_SUPPORTED',
        `cannot replace one version of ${this.#client.url(path)}: WebDAV servers do not compare versions reliably`,
      );
    this.#leftovers.retry((temp) => this.#removeTemp(temp));
    const upload = (sent: SentBody) => this.#uploads.put(path, sent, { ifAbsent, createdAt, now: this.#clock.now(), signal });
    const { size } = body;
    if (size !== undefined) {
      const sent = await orAbort(upload({ size, open: () => chunksOf(body, key, signal) }), signal);
      return infoOf(key, size, sent);
    }
    const spooled = await spool(body, key, signal);
    try {
      const sent = await orAbort(upload(spooled), signal);
      return infoOf(key, spooled.size, sent);
    } finally {
      await spooled.remove();
    }
  }

  async stat(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo> {
    signal?.throwIfAborted();
    const path = this.#path(key);
    const message = `cannot look at ${this.#client.url(path)}`;
    return this.#guard(signal, async () => {
      const found = await this.#client.look(path, { message, signal });
      if (found === undefined || found.isCollection) throw new LitestreamError('OBJECT_NOT_FOUND', `${message}: there is no such file`);
      return infoOf(key, found.size, found);
    });
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await deleteKeys(keys, {
      destination: this.destination,
      pathOf: (key) => this.#path(key),
      remove: (paths) => deleteFiles(this.#client, paths, signal),
      checkRoot: () => orAbort(this.#root.check(), signal),
    });
  }

  async close(): Promise<void> {
    await this.#leftovers.settled();
    this.#client.close();
  }

  #path(key: string): string {
    checkKey(key);
    return posix.join(this.#root.path, key);
  }

  async #readDirectory(directory: string, signal: AbortSignal | undefined): Promise<readonly TreeEntry[]> {
    const path = cleaned(`${this.#root.path}/${directory}`);
    const url = this.#client.url(path);
    const call = { message: `cannot list directory ${url}`, signal };
    const found = await this.#client.list(path, call).catch(async (error: unknown) => {
      // A file named like a directory is a bad request to some servers.
      const other = error instanceof LitestreamError && error.code === 'RESPONSE_INVALID' ? await this.#client.look(path, call) : undefined;
      if (other?.isCollection === false) return { self: other, children: [] };
      throw error;
    });
    if (found === undefined) {
      await orAbort(this.#root.check(), signal);
      return [];
    }
    if (!found.self.isCollection)
      throw new LitestreamError('CONTAINER_NOT_FOUND', `${url} is not a directory`, { hint: 'A file stands where a directory belongs.' });
    this.#root.seen(path);
    const now = this.#clock.now();
    for (const { name } of found.children) {
      if (isStaleTemp(name, now)) this.#leftovers.add(posix.join(path, name), (temp) => this.#removeTemp(temp));
    }
    return found.children.map(({ name, isCollection, size, modifiedAt }) => ({
      name,
      isDirectory: isCollection,
      size,
      createdAt: modifiedAt,
    }));
  }

  /** Runs a call on an existing object; when it is missing, says whether the whole root is. */
  async #guard<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof LitestreamError && error.code === 'OBJECT_NOT_FOUND') await orAbort(this.#root.check(), signal);
      throw error;
    }
  }

  async #removeTemp(path: string): Promise<Removal> {
    const { status, discard } = await this.#client.send('DELETE', path, { message: `cannot remove ${path}` });
    discard();
    if (status === 404 || status === 410) return 'missing';
    return status < 500 ? 'done' : 'failed';
  }
}

const infoOf = (key: string, size: number, { modifiedAt, tag }: DAVResource): ObjectInfo => ({
  key,
  size,
  createdAt: modifiedAt,
  ...(tag === undefined ? {} : { tag }),
});
