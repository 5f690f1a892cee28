/** Objects as files below a directory of an SFTP server. */

import { posix } from 'node:path';
import type { Stats } from 'ssh2';
import { orAbort } from '../../base/abortable.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import { chunksOf } from '../body.ts';
import { FILE_SERVER_CAPABILITIES } from '../directories/capabilities.ts';
import { deleteKeys } from '../directories/deletion.ts';
import { Leftovers, type RemoveLeftover } from '../directories/leftovers.ts';
import { checkFinalKey, tempName } from '../directories/temp-name.ts';
import { directoryOfPrefix, type TreeEntry, walkTree } from '../directories/tree.ts';
import { checkKey, checkPrefix } from '../key.ts';
import type { CallOptions, ObjectInfo, ObjectStore, OpenedObject, OpenOptions, PutBody, PutOptions } from '../object-store.ts';
import type { SFTPStoreSpec } from '../spec.ts';
import { CONNECTION_LIMITS, type ConnectionLimits, connect } from './connection.ts';
import { deleteFiles } from './delete.ts';
import { SessionLost, STATUS, statusOf } from './errors.ts';
import { readListing } from './listing.ts';
import { KeyRing } from './login.ts';
import { guarded, notAFile, openObject, tagOf } from './open.ts';
import { claim, explained, replace } from './publish.ts';
import { RemoteRoot } from './root.ts';
import type { RemoteHandle, Session } from './session.ts';
import { SharedSession } from './shared-session.ts';
import { Upload } from './upload.ts';

const FILE_MODE = 0o600;

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
  readonly capabilities = FILE_SERVER_CAPABILITIES;
  readonly #root: RemoteRoot;
  readonly #concurrentWrites: boolean;
  readonly #clock: Clock;
  readonly #limits: ConnectionLimits;
  readonly #sessions: SharedSession;
  readonly #leftovers = new Leftovers();

  constructor(spec: SFTPStoreSpec, { limits = {}, clock = systemClock }: SFTPStoreOptions = {}) {
    this.destination = destinationOf(spec);
    this.#root = new RemoteRoot(posix.join(spec.path === '' ? '.' : spec.path).replace(/(?<=.)\/$/, ''));
    this.#concurrentWrites = spec.concurrentWrites ?? true;
    this.#clock = clock;
    this.#limits = { ...CONNECTION_LIMITS, ...limits };
    const means = { limits: this.#limits, keys: new KeyRing() };
    this.#sessions = new SharedSession((signal) => connect(spec, means, signal));
  }

  async *list(prefix: string, { after, signal }: CallOptions & { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted();
    checkPrefix(prefix);
    const read = (directory: string) => this.#with(signal, (session) => orAbort(this.#readDirectory(session, directory), signal));
    yield* walkTree(read, directoryOfPrefix(prefix), { prefix, after, signal });
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    options.signal?.throwIfAborted();
    const path = this.#path(key);
    return this.#with(options.signal, (session) => openObject(session, this.#root, path, key, options));
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const { signal, createdAt, ifMatch } = options;
    signal?.throwIfAborted();
    const path = this.#path(key);
    checkFinalKey(key);
    if (ifMatch !== undefined)
      throw new LitestreamError('NOT_SUPPORTED', `cannot replace one version of ${path}: SFTP has no such operation`);
    const { size, facts } = await this.#with(signal, (session) => this.#put(session, path, chunksOf(body, key, signal), options));
    if (facts !== undefined) return { key, size, createdAt: facts.mtime * 1000, tag: tagOf(facts) };
    return { key, size, createdAt: Math.floor((createdAt ?? this.#clock.now()) / 1000) * 1000 };
  }

  async stat(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo> {
    signal?.throwIfAborted();
    const path = this.#path(key);
    const message = `cannot look at ${path}`;
    const facts = await this.#with(signal, (session) =>
      orAbort(
        guarded(session, this.#root, message, () => session.stat(path)),
        signal,
      ),
    );
    if (!facts.isFile()) throw notAFile(message);
    return { key, size: facts.size, createdAt: facts.mtime * 1000, tag: tagOf(facts) };
  }

  async delete(keys: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await deleteKeys(keys, {
      destination: this.destination,
      pathOf: (key) => this.#path(key),
      remove: (paths) => this.#with(signal, (session) => deleteFiles(session, paths, signal)),
      checkRoot: () => this.#with(signal, (session) => orAbort(this.#root.check(session), signal)),
    });
  }

  async close(): Promise<void> {
    await this.#leftovers.settled();
    this.#sessions.close();
  }

  #path(key: string): string {
    checkKey(key);
    return posix.join(this.#root.path, key);
  }

  /** Runs work in the shared session. A call that was given up because nothing moved leaves it to what is under way. */
  async #with<T>(signal: AbortSignal | undefined, work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#sessions.get(signal);
    this.#leftovers.retry(removeFrom(session));
    try {
      return await session.run(work);
    } catch (error) {
      if (isStall(error)) this.#sessions.retire(session, this.#limits.connectMs);
      throw error;
    }
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

  /** Writes beside the place and then names it. */
  async #put(session: Session, path: string, chunks: AsyncIterable<Uint8Array>, options: PutOptions): Promise<Written> {
    const { signal, createdAt, ifAbsent = false } = options;
    const beside = () => posix.join(posix.dirname(path), tempName(posix.basename(path), this.#clock.now()));
    const [temp, aside] = [beside(), beside()];
    const upload = await this.#begin(session, temp, signal);
    try {
      for await (const chunk of chunks) await upload.write(chunk).catch(this.#explain(session, path));
      const facts = await upload.finish(createdAt).catch(this.#explain(session, path));
      signal?.throwIfAborted();
      const publish = ifAbsent ? claim(session, temp, path) : replace(session, temp, path, aside);
      const left = await orAbort(publish, signal).catch(this.#explain(session, path));
      if (left !== undefined) this.#leftovers.add(left, removeFrom(session));
      return { size: upload.size, facts };
    } catch (error) {
      this.#leftovers.add(temp, removeFrom(session), { before: upload.close() });
      throw error;
    }
  }

  /** A new file, in directories that are made if need be. */
  async #begin(session: Session, temp: string, signal: AbortSignal | undefined): Promise<Upload> {
    const making = this.#create(session, temp);
    try {
      const handle = await orAbort(making, signal);
      return new Upload(session, handle, { concurrent: this.#concurrentWrites, signal });
    } catch (error) {
      // Given up, or lost: what was made is removed when the server says that it was.
      void making.then((handle) => this.#leftovers.add(temp, removeFrom(session), { before: session.close(handle) })).catch(() => {});
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

  #explain(session: Session, path: string): (error: unknown) => Promise<never> {
    return async (error) => {
      throw await explained(session, error, `cannot write ${path}`, posix.dirname(path));
    };
  }
}

interface Written {
  readonly size: number;
  /** What the server says of the file, if it does. */
  readonly facts: Stats | undefined;
}

/** Without the user, which is blanked as a login wherever URLs are shown. */
function destinationOf({ host, port = 22, path }: SFTPStoreSpec): string {
  const place = path.startsWith('/') ? path : `/~/${path}`;
  return `sftp://${host}${port === 22 ? '' : `:${port}`}${place}`;
}

/** Somebody above has waited for this call in vain (storage/wrap/stall.ts). */
const isStall = (error: unknown): boolean => error instanceof LitestreamError && error.details?.stalledMs !== undefined;

/** Another status than success means that the file is gone, or will never go. */
function removeFrom(session: Session): RemoveLeftover {
  return (path) =>
    session.unlink(path).then(
      () => 'done',
      (error: unknown) => (statusOf(error) === undefined ? 'failed' : 'done'),
    );
}
