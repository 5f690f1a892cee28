/** Objects as files below a directory. */

import { type FileHandle, open, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { chunksOf, once } from '../body.ts';
import { deleteFailure } from '../delete-failure.ts';
import { checkFinalKey } from '../directories/temp-name.ts';
import { checkKey, checkPrefix } from '../key.ts';
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
import type { FileStoreSpec } from '../spec.ts';
import { fileError } from './errors.ts';
import { laterThan, replaceVersion } from './replace.ts';
import { Root, syncDirectory } from './root.ts';
import { tagOf, timeOf } from './tag.ts';
import { TempFile } from './temp-file.ts';
import { walk } from './walk.ts';

const READ_BYTES = 256 * 1024;
const DELETE_BATCH = 16;

/**
 * A directory as an object store. A put is durable when it returns: content, time and name have been synced, and so have the directories
 * made for it. The creation time is the file's modification time. Keys ending in `.tmp` are refused, because files of that name are
 * unfinished ones and never listed. A file system holds either an object `a` or objects below `a/`, not both.
 */
export class FileStore implements ObjectStore {
  readonly type = 'file';
  readonly destination: string;
  readonly capabilities: StoreCapabilities = {
    timestamps: 'listing',
    conditionalPut: true,
    conditionalReplace: true,
    rangeRead: true,
    atomicPut: true,
    maxDeleteBatch: 1000,
    needsSize: false,
  };
  readonly #root: Root;
  readonly #spec: FileStoreSpec;

  constructor(spec: FileStoreSpec) {
    this.destination = spec.path;
    this.#spec = spec;
    this.#root = new Root(spec.path, spec.directoryMode ?? 0o700, spec.owner);
  }

  async *list(prefix: string, { after, signal }: CallOptions & { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted();
    checkPrefix(prefix);
    if (!(await this.#root.check())) return;
    const directory = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    yield* walk(this.#root.path, directory, { prefix, after, signal });
    // An empty answer is only believed of a root that is still there.
    await this.#root.check();
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    options.signal?.throwIfAborted();
    const path = this.localPath(key);
    const handle = await this.#guard(`cannot open ${path}`, () => open(path, 'r'));
    try {
      const found = await handle.stat({ bigint: true });
      if (!found.isFile()) throw new LitestreamError('OBJECT_NOT_FOUND', `cannot open ${path}: not a file`);
      const size = Number(found.size);
      const range = rangeOf(key, size, options);
      const close = closing(handle);
      return {
        size,
        tag: tagOf(found),
        body: once(key, () => readRange(path, handle, range, options.signal, close)),
        close,
      };
    } catch (error) {
      await handle.close();
      throw fileError(error, `cannot open ${path}`);
    }
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    options.signal?.throwIfAborted();
    checkFinalKey(key);
    const path = this.localPath(key);
    const temp = await this.#createTemp(path);
    try {
      for await (const chunk of chunksOf(body, key, options.signal)) {
        await temp.write(chunk).catch((error: unknown) => {
          throw fileError(error, `cannot write ${path}`);
        });
      }
      options.signal?.throwIfAborted();
      return await this.#publish(temp, key, path, options);
    } catch (error) {
      await temp.discard();
      throw error;
    }
  }

  async stat(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo> {
    signal?.throwIfAborted();
    const path = this.localPath(key);
    const found = await this.#guard(`cannot look at ${path}`, () => stat(path, { bigint: true }));
    if (!found.isFile()) throw new LitestreamError('OBJECT_NOT_FOUND', `cannot look at ${path}: not a file`);
    return { key, size: Number(found.size), createdAt: timeOf(found), tag: tagOf(found) };
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    const paths = keys.map((key) => this.localPath(key));
    if (paths.length > 0) await this.#root.check();
    const failures = new Map<string, unknown>();
    for (let at = 0; at < paths.length; at += DELETE_BATCH) {
      signal?.throwIfAborted();
      await Promise.all(
        paths.slice(at, at + DELETE_BATCH).map((path, i) =>
          unlink(path).catch((error: unknown) => {
            if (systemCode(error) !== 'ENOENT') failures.set(keys[at + i] ?? path, fileError(error, `cannot delete ${path}`));
          }),
        ),
      );
    }
    if (failures.size > 0) throw deleteFailure(failures, keys, this.destination);
  }

  async close(): Promise<void> {}

  localPath(key: string): string {
    checkKey(key);
    return join(this.#root.path, key);
  }

  /** Runs a call on an existing object; when it is missing, says whether the whole root is. */
  async #guard<T>(message: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (systemCode(error) === 'ENOENT') await this.#root.check();
      throw fileError(error, message);
    }
  }

  async #createTemp(path: string): Promise<TempFile> {
    const mode = this.#spec.fileMode ?? 0o600;
    try {
      await this.#root.check();
      return await TempFile.create(path, mode);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw fileError(error, `cannot write ${path}`);
    }
    await this.#root.make(dirname(path));
    return TempFile.create(path, mode).catch((error: unknown) => {
      throw fileError(error, `cannot write ${path}`);
    });
  }

  async #publish(temp: TempFile, key: string, path: string, { createdAt, ifAbsent = false, ifMatch }: PutOptions): Promise<ObjectInfo> {
    try {
      const time = ifMatch === undefined ? createdAt : await laterThan(path, createdAt);
      const finished = await temp.finish(time, this.#spec.fileMode ?? 0o600, this.#spec.owner);
      if (ifAbsent) await temp.claim(path);
      else if (ifMatch === undefined) await temp.replace(path);
      else await replaceVersion(temp, path, { tag: ifMatch, ownTag: tagOf(finished) });
      await syncDirectory(dirname(path));
      return { key, size: temp.size, createdAt: timeOf(finished), tag: tagOf(finished) };
    } catch (error) {
      throw fileError(error, `cannot ${ifAbsent ? 'create' : 'write'} ${path}`);
    }
  }
}

function closing(handle: FileHandle): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => {
    closed ??= handle.close();
    return closed;
  };
}

async function* readRange(path: string, handle: FileHandle, range: ByteRange, signal: AbortSignal | undefined, close: () => Promise<void>) {
  try {
    for (let at = range.start; at < range.end; ) {
      signal?.throwIfAborted();
      const chunk = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, range.end - at));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) throw new LitestreamError('READ_TRUNCATED', `${path} ended at ${at} while bytes up to ${range.end} were read`);
      at += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  } catch (error) {
    throw fileError(error, `cannot read ${path}`);
  } finally {
    await close();
  }
}
