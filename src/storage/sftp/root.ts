/** The root directory of an SFTP store: making directories below it, and noticing when it has gone. */

import { posix } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { STATUS, sftpError, statusOf } from './errors.ts';
import { readNames } from './listing.ts';
import type { Session } from './session.ts';

const DIRECTORY_MODE = 0o700;

/**
 * A destination that was unmounted looks like a missing or an empty directory, and must not pass for an empty replica. So:
 *
 * - once the root has been seen, its absence is CONTAINER_NOT_FOUND for every call, and so is an empty directory of another file system in its
 *   place, where the server tells file systems apart (statvfs@openssh.com);
 * - before that, an absent root is "nothing there yet" provided its nearest existing ancestor is a directory; the first put makes it.
 */
export class RemoteRoot {
  readonly path: string;
  #isSeen = false;
  #fileSystem: string | undefined;

  /** @param path absolute, or relative to where the server begins. */
  constructor(path: string) {
    this.path = path;
  }

  /** True when the root is there, false when it has never been; throws as the class says. */
  async check(session: Session): Promise<boolean> {
    const kind = await kindOf(session, this.path);
    if (kind === undefined) {
      if (this.#isSeen) throw gone(this.path, 'has disappeared');
      await this.#checkAncestor(session);
      return false;
    }
    if (kind !== 'directory') throw notADirectory(this.path);
    this.#isSeen = true;
    await this.#checkFileSystem(session);
    return true;
  }

  /** Something was found below the root: it is there. */
  seen(): void {
    this.#isSeen = true;
  }

  /** Makes `directory` (the root or below it). */
  async make(session: Session, directory: string): Promise<void> {
    if (!(await this.check(session))) await this.#makeLevels(session, this.path);
    await this.check(session);
    if (directory !== this.path) await this.#makeLevels(session, directory);
  }

  async #makeLevels(session: Session, directory: string): Promise<void> {
    const refused = await this.#makeOne(session, directory);
    if (refused === undefined) return;
    const parent = posix.dirname(directory);
    // Above the root anything may be missing; the root itself was there a moment ago and is never made again behind its back.
    if (parent === this.path && (await kindOf(session, parent)) === undefined) throw gone(this.path, 'has disappeared');
    if (statusOf(refused) === STATUS.denied || parent === directory) throw sftpError(refused, `cannot make directory ${directory}`);
    await this.#makeLevels(session, parent);
    const again = await this.#makeOne(session, directory);
    if (again !== undefined) throw sftpError(again, `cannot make directory ${directory}`);
  }

  /** Undefined when the directory is there, made by us or by somebody else at the same time; otherwise what the server said. */
  async #makeOne(session: Session, directory: string): Promise<unknown> {
    try {
      await session.makeDirectory(directory, DIRECTORY_MODE);
      return undefined;
    } catch (error) {
      if (statusOf(error) === undefined) throw sftpError(error, `cannot make directory ${directory}`);
      // Servers say "failure" when it exists, and some when its parent is missing.
      const kind = await kindOf(session, directory);
      if (kind === 'other') throw notADirectory(directory);
      return kind === 'directory' ? undefined : error;
    }
  }

  async #checkFileSystem(session: Session): Promise<void> {
    const id = await fileSystemOf(session, this.path);
    // A server that was restarted may number its devices anew: then the files are still there.
    if (this.#fileSystem !== undefined && id !== undefined && id !== this.#fileSystem && (await isEmpty(session, this.path)))
      throw gone(this.path, 'is on another file system than before, and empty');
    this.#fileSystem = id ?? this.#fileSystem;
  }

  async #checkAncestor(session: Session): Promise<void> {
    for (let path = posix.dirname(this.path); ; path = posix.dirname(path)) {
      const kind = await kindOf(session, path);
      if (kind === undefined && path !== posix.dirname(path)) continue;
      if (kind !== 'directory') throw notADirectory(path);
      return;
    }
  }
}

/** What a path leads to; undefined for nothing. */
export async function kindOf(session: Session, path: string): Promise<'directory' | 'other' | undefined> {
  try {
    return (await session.stat(path)).isDirectory() ? 'directory' : 'other';
  } catch (error) {
    if (statusOf(error) === STATUS.missing) return undefined;
    throw sftpError(error, `cannot look at ${path}`);
  }
}

async function isEmpty(session: Session, path: string): Promise<boolean> {
  const names = (await readNames(session, path)) ?? [];
  return names.every(({ filename }) => filename === '.' || filename === '..');
}

async function fileSystemOf(session: Session, path: string): Promise<string | undefined> {
  try {
    return (await session.space(path)).id;
  } catch {
    return undefined; // the root is there all the same, and a lost session shows in the next call
  }
}

const gone = (path: string, what: string): LitestreamError =>
  new LitestreamError('CONTAINER_NOT_FOUND', `directory ${path} on the server ${what}`, { hint: 'Is its file system mounted there?' });

const notADirectory = (path: string): LitestreamError =>
  new LitestreamError('CONTAINER_NOT_FOUND', `${path} on the server is not a directory`, { hint: 'Give a directory as the destination.' });
