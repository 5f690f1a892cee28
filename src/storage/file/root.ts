/** The root directory of a file store: making directories below it, and noticing when it has gone. */

import { chmod, chown, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { fileError } from './errors.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * A destination that was unmounted looks like a missing or an empty directory, and must not pass for an empty replica. So:
 *
 * - once the root has been seen, its absence, or its being on another device, is CONTAINER_NOT_FOUND for every call;
 * - before that, an absent root is "nothing there yet" provided its nearest existing ancestor is a directory; the first put makes it;
 * - a mount point that is itself the root and was unmounted before this process started cannot be told from a new destination here: the
 *   uploader notices that the TXIDs it needs are gone.
 */
export class Root {
  readonly path: string;
  readonly #mode: number;
  readonly #owner: Owner | undefined;
  #device: number | undefined;

  /** @param path absolute. @param mode of directories that are made. @param owner of directories that are made, as far as permitted. */
  constructor(path: string, mode: number, owner: Owner | undefined) {
    this.path = path;
    this.#mode = mode;
    this.#owner = owner;
  }

  /** True when the root is there, false when it has never been; throws as the class says. */
  async check(): Promise<boolean> {
    const found = await statOrUndefined(this.path);
    if (found === undefined) {
      if (this.#device !== undefined) throw gone(this.path, 'has disappeared');
      await this.#checkAncestor();
      return false;
    }
    if (!found.isDirectory()) throw notADirectory(this.path);
    if (this.#device !== undefined && this.#device !== found.dev) throw gone(this.path, 'is on another device than before');
    this.#device = found.dev;
    return true;
  }

  /** Makes `directory` (absolute, the root or below it), each new level durable before the next. */
  async make(directory: string): Promise<void> {
    if (!(await this.check())) await this.#makeLevels(this.path);
    await this.check();
    if (directory !== this.path) await this.#makeLevels(directory);
  }

  async #makeLevels(directory: string): Promise<void> {
    try {
      await mkdir(directory);
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return;
      if (systemCode(error) !== 'ENOENT' || directory === dirname(directory)) throw fileError(error, `cannot make directory ${directory}`);
      // Above the root anything may be missing; the root itself was there a moment ago and is never made again behind its back.
      if (dirname(directory) === this.path) throw gone(this.path, 'has disappeared');
      await this.#makeLevels(dirname(directory));
      return this.#makeLevels(directory);
    }
    await chmod(directory, this.#mode).catch((error: unknown) => {
      throw fileError(error, `cannot set the mode of ${directory}`);
    });
    // Best effort, as only a privileged process may give files away.
    if (this.#owner !== undefined) await chown(directory, this.#owner.uid, this.#owner.gid).catch(() => {});
    await syncDirectory(dirname(directory));
  }

  async #checkAncestor(): Promise<void> {
    for (let path = dirname(this.path); ; path = dirname(path)) {
      const found = await statOrUndefined(path);
      if (found === undefined && path !== dirname(path)) continue;
      if (found?.isDirectory() !== true) throw notADirectory(path);
      return;
    }
  }
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    // Some file systems have no such operation; there is nothing more to be had from them.
    if (systemCode(error) === 'EINVAL' || systemCode(error) === 'ENOTSUP') return;
    throw fileError(error, `cannot sync directory ${path}`);
  }
}

async function statOrUndefined(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, `cannot look at ${path}`);
  }
}

const gone = (path: string, what: string): LitestreamError =>
  new LitestreamError('CONTAINER_NOT_FOUND', `directory ${path} ${what}`, { hint: 'Is its file system mounted?' });

const notADirectory = (path: string): LitestreamError =>
  new LitestreamError('CONTAINER_NOT_FOUND', `${path} is not a directory`, { hint: 'Give a directory as the destination.' });
