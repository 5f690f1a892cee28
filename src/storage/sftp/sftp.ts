/** Objects as files below a directory of an SFTP server. */

import { posix } from 'node:path';
import type { Stats } from 'ssh2';
import { orAbort } from '../../base/abortable.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import { chunksOf, once } from '../body.ts';
import { checkKey, checkPrefix } from '../key.ts';
import { Leftovers, type RemoveLeftover } from '../leftovers.ts';
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
import type { SFTPStoreSpec } from '../spec.ts';
import { checkFinalKey, tempName } from '../temp-name.ts';
import { directoryOfPrefix, type TreeEntry, walkTree } from '../tree.ts';
import { CONNECTION_LIMITS, type ConnectionLimits, connect } from './connection.ts';
import { download } from './download.ts';
import { SessionLost, STATUS, sftpError, statusOf } from './errors.ts';
import { readListing } from './listing.ts';
import { claim, explained, replace } from './publish.ts';
import { kindOf, RemoteRoot } from './root.ts';
import type { RemoteHandle, Session } from './session.ts';
import { SharedSession } from './shared-session.ts';
import { Upload } from './upload.ts';

const FILE_MODE = 0o600;
const DELETES = 32;

export interface SFTPStoreOptions {
  readonly limits?: Partial<ConnectionLimits>;
  readonly clock?: Clock;
}

/**
 * A directory of an SFTP server as an object store, over one connection that is made at the first call and again after it was lost. Objects
 * are written beside their place and then named: by a hard link when they must not exist (hardlink@openssh.com; without it such a put is
 * NOT_SUPPORTED), by an atomic rename otherwise. The modification time is the creation time to the second; exact times stand in the files.
 * Keys ending in `.tmp` are refused, because files of that name are unfinished ones and never listed.
 */
export class SFTPStore implements ObjectStore {
  readonly type = 'sftp';
  readonly destination: string;
  readonly capabilities: StoreCapabilities = {
    timestamps: 'none',
    conditionalPut: true,
    conditionalReplace: false,
    rangeRead: true,
    atomicPut: true,
    maxDeleteBatch: 1000,
    needsSize: false,
  };
  /** What people should know about how this store is set up. */
  readonly warnings: readonly string[];
  readonly #root: RemoteRoot;
  readonly #concurrentWrites: boolean;
  readonly #clock: Clock;
  readonly #sessions: SharedSession;
  readonly #leftovers = new Leftovers();

  constructor(spec: SFTPStoreSpec, { limits = {}, clock = systemClock }: SFTPStoreOptions = {}) {
    this.destination = destinationOf(spec);
    this.warnings = warningsOf(spec);
    this.#root = new RemoteRoot(posix.join(spec.path === '' ? '.' : spec.path).replace(/(?<=.)\/$/, ''));
    this.#concurrentWrites = spec.concurrentWrites ?? true;
    this.#clock = clock;
    this.#sessions = new SharedSession((signal) => connect(spec, { ...CONNECTION_LIMITS, ...limits }, signal));
  }

  async *list(prefix: string, { after, signal }: CallOptions & { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted();
    checkPrefix(prefix);
    const session = await this.#session(signal);
    yield* walkTree((directory) => orAbort(this.#readDirectory(session, directory), signal), directoryOfPrefix(prefix), {
      prefix,
      after,
      signal,
    });
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const { signal } = options;
    signal?.throwIfAborted();
    const path = this.#path(key);
    const session = await this.#session(signal);
    const opening = this.#openFile(session, path);
    try {
      const { handle, facts } = await orAbort(opening, signal);
      const close = closing(session, handle);
      try {
        const range = rangeOf(key, facts.size, options);
        return {
          size: facts.size,
          tag: tagOf(facts),
          body: once(key, () => this.#read(session, handle, range, { path, signal, close })),
          close,
        };
      } catch (error) {
        await close();
        throw error;
      }
    } catch (error) {
      // Given up while the server was asked: what it opens is closed when it says so.
      if (signal?.aborted) void opening.then(({ handle }) => session.close(handle)).catch(() => {});
      throw error;
    }
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const { signal, createdAt, ifAbsent = false, ifMatch } = options;
    signal?.throwIfAborted();
    const path = this.#path(key);
    checkFinalKey(key);
    if (ifMatch !== undefined)
      throw new LitestreamError('NOT_SUPPORTED', `cannot replace one version of ${path}: SFTP has no such operation`);
    const session = await this.#session(signal);
    const directory = posix.dirname(path);
    const temp = posix.join(directory, tempName(posix.basename(path), this.#clock.now()));
    const upload = await this.#begin(session, temp, signal);
    try {
      for await (const chunk of chunksOf(body, key, signal)) await upload.write(chunk).catch(this.#explain(session, path));
      await upload.finish(createdAt).catch(this.#explain(session, path));
      signal?.throwIfAborted();
      await orAbort(ifAbsent ? claim(session, temp, path) : replace(session, temp, path), signal).catch(this.#explain(session, path));
    } catch (error) {
      this.#leftovers.add(temp, removeFrom(session), upload.close());
      throw error;
    }
    if (ifAbsent) this.#leftovers.add(temp, removeFrom(session));
    return { key, size: upload.size, createdAt: Math.floor((createdAt ?? this.#clock.now()) / 1000) * 1000 };
  }

  async stat(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo> {
    signal?.throwIfAborted();
    const path = this.#path(key);
    const session = await this.#session(signal);
    const facts = await orAbort(
      this.#guard(session, `cannot look at ${path}`, () => session.stat(path)),
      signal,
    );
    if (!facts.isFile()) throw notAFile(`cannot look at ${path}`);
    return { key, size: facts.size, createdAt: facts.mtime * 1000, tag: tagOf(facts) };
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    const paths = keys.map((key) => this.#path(key));
    if (paths.length === 0) return;
    const session = await this.#session(signal);
    const failures = new Map<string, unknown>();
    let missing = 0;
    for (let at = 0; at < paths.length; at += DELETES) {
      const removed = paths.slice(at, at + DELETES).map((path, i) =>
        session.unlink(path).catch((error: unknown) => {
          if (statusOf(error) === STATUS.missing) missing += 1;
          else failures.set(keys[at + i] ?? path, sftpError(error, `cannot delete ${path}`));
        }),
      );
      await orAbort(Promise.all(removed), signal);
    }
    // Nothing was deleted where nothing is mounted.
    if (missing > 0 && !session.isLost) await orAbort(this.#root.check(session), signal);
    if (failures.size > 0) throw deleteError(failures, keys.length);
  }

  async close(): Promise<void> {
    await this.#leftovers.settled();
    this.#sessions.close();
  }

  #path(key: string): string {
    checkKey(key);
    return posix.join(this.#root.path, key);
  }

  async #session(signal: AbortSignal | undefined): Promise<Session> {
    const session = await this.#sessions.get(signal);
    this.#leftovers.retry(removeFrom(session));
    return session;
  }

  async #readDirectory(session: Session, directory: string): Promise<readonly TreeEntry[]> {
    const path = posix.join(this.#root.path, directory).replace(/(?<=.)\/$/, '');
    const listing = await readListing(session, path, this.#clock.now());
    if (listing === undefined || listing.entries.length === 0) {
      await this.#root.check(session);
      return [];
    }
    this.#root.seen();
    for (const name of listing.stale) this.#leftovers.add(posix.join(path, name), removeFrom(session));
    return listing.entries;
  }

  async #openFile(session: Session, path: string): Promise<{ readonly handle: RemoteHandle; readonly facts: Stats }> {
    const message = `cannot open ${path}`;
    const handle = await this.#guard(session, message, async () => {
      try {
        return await session.open(path, 'r');
      } catch (error) {
        if (statusOf(error) === STATUS.failure && (await kindOf(session, path)) === 'directory') throw notAFile(message);
        throw error;
      }
    });
    try {
      const facts = await session.fstat(handle);
      if (!facts.isFile()) throw notAFile(message);
      return { handle, facts };
    } catch (error) {
      void session.close(handle);
      throw sftpError(error, message);
    }
  }

  async *#read(session: Session, handle: RemoteHandle, range: ByteRange, { path, signal, close }: Reading): AsyncGenerator<Uint8Array> {
    try {
      signal?.throwIfAborted();
      yield* download(session, handle, range, { path, signal });
    } catch (error) {
      throw sftpError(error, `cannot read ${path}`);
    } finally {
      const closed = close();
      if (signal?.aborted !== true) await closed;
    }
  }

  /** A new file, in directories that are made if need be. */
  async #begin(session: Session, temp: string, signal: AbortSignal | undefined): Promise<Upload> {
    const making = this.#create(session, temp);
    try {
      const handle = await orAbort(making, signal);
      return new Upload(session, handle, { concurrent: this.#concurrentWrites, signal });
    } catch (error) {
      void making.then((handle) => this.#leftovers.add(temp, removeFrom(session), session.close(handle))).catch(() => {});
      if (error instanceof SessionLost) this.#leftovers.add(temp, removeFrom(session));
      return this.#explain(session, temp)(error);
    }
  }

  async #create(session: Session, temp: string): Promise<RemoteHandle> {
    try {
      return await session.open(temp, 'wx', FILE_MODE);
    } catch (error) {
      if (statusOf(error) !== STATUS.missing) throw error;
    }
    await this.#root.make(session, posix.dirname(temp));
    return session.open(temp, 'wx', FILE_MODE);
  }

  /** Runs a call on an existing object; when it is missing, says whether the whole root is. */
  async #guard<T>(session: Session, message: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (statusOf(error) === STATUS.missing) await this.#root.check(session);
      throw sftpError(error, message);
    }
  }

  #explain(session: Session, path: string): (error: unknown) => Promise<never> {
    return async (error) => {
      throw await explained(session, error, `cannot write ${path}`, posix.dirname(path));
    };
  }
}

interface Reading {
  readonly path: string;
  readonly signal: AbortSignal | undefined;
  readonly close: () => Promise<void>;
}

function destinationOf({ user, host, port = 22, path }: SFTPStoreSpec): string {
  const place = path.startsWith('/') ? path : `/~/${path}`;
  return `sftp://${user}@${host}${port === 22 ? '' : `:${port}`}${place}`;
}

function warningsOf({ host, verifyHost, jump }: SFTPStoreSpec): string[] {
  const unverified = [...(verifyHost === false ? [host] : []), ...(jump?.verifyHost === false ? [jump.host] : [])];
  return unverified.map((name) => `The host key of ${name} is not verified: any machine may stand in for it and read everything.`);
}

const tagOf = ({ mtime, size }: Stats): string => `${mtime}-${size}`;

const notAFile = (message: string): LitestreamError => new LitestreamError('OBJECT_NOT_FOUND', `${message}: not a file`);

/** Another status than success means that the file is gone, or will never go. */
function removeFrom(session: Session): RemoveLeftover {
  return (path) =>
    session.unlink(path).then(
      () => true,
      (error: unknown) => statusOf(error) !== undefined,
    );
}

function closing(session: Session, handle: RemoteHandle): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => {
    closed ??= session.close(handle);
    return closed;
  };
}

function deleteError(failures: ReadonlyMap<string, unknown>, total: number): LitestreamError {
  const [first] = failures.values();
  const code = first instanceof LitestreamError ? first.code : 'STORAGE_UNAVAILABLE';
  return new LitestreamError(code, `cannot delete ${failures.size} of ${total} files`, {
    cause: first,
    details: { failed: [...failures.keys()] },
  });
}
