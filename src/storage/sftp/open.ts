/** Opening a file of an SFTP server for reading. */

import type { Stats } from 'ssh2';
import { orAbort } from '../../base/abortable.ts';
import { LitestreamError } from '../../base/errors.ts';
import { once } from '../body.ts';
import type { OpenedObject, OpenOptions } from '../object-store.ts';
import { type ByteRange, rangeOf } from '../range.ts';
import { download } from './download.ts';
import { STATUS, sftpError, statusOf } from './errors.ts';
import { kindOf, type RemoteRoot } from './root.ts';
import type { RemoteHandle, Session } from './session.ts';

interface OpenFile {
  readonly handle: RemoteHandle;
  readonly facts: Stats;
}

/** Opens the file at `path`; OBJECT_NOT_FOUND when there is none. */
export async function openObject(
  session: Session,
  root: RemoteRoot,
  path: string,
  key: string,
  options: OpenOptions,
): Promise<OpenedObject> {
  const { signal } = options;
  const opening = openFile(session, root, path);
  try {
    const { handle, facts } = await orAbort(opening, signal);
    const close = closing(session, handle);
    try {
      const range = rangeOf(key, facts.size, options);
      return { size: facts.size, tag: tagOf(facts), body: once(key, () => read(session, handle, range, { path, signal, close })), close };
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

/** What tells one version of a file from another: the protocol has no more. */
export const tagOf = ({ mtime, size }: Stats): string => `${mtime}-${size}`;

export const notAFile = (message: string): LitestreamError => new LitestreamError('OBJECT_NOT_FOUND', `${message}: not a file`);

/** Runs a call on an existing object; when it is missing, says whether the whole root is. */
export async function guarded<T>(session: Session, root: RemoteRoot, message: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (statusOf(error) === STATUS.missing) await root.check(session);
    throw sftpError(error, message);
  }
}

async function openFile(session: Session, root: RemoteRoot, path: string): Promise<OpenFile> {
  const message = `cannot open ${path}`;
  const handle = await guarded(session, root, message, async () => {
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

interface Reading {
  readonly path: string;
  readonly signal: AbortSignal | undefined;
  readonly close: () => Promise<void>;
}

async function* read(
  session: Session,
  handle: RemoteHandle,
  range: ByteRange,
  { path, signal, close }: Reading,
): AsyncGenerator<Uint8Array> {
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

function closing(session: Session, handle: RemoteHandle): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => {
    closed ??= session.close(handle);
    return closed;
  };
}
