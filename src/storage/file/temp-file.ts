/** A file written under a temporary name and then published under its own, all or nothing. */

import { randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { type FileHandle, link, open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { TEMP_SUFFIX } from '../directories/temp-name.ts';
import type { Owner } from './root.ts';

/** Names longer than this, in bytes, are not repeated in the temporary one: 255 is the usual limit. */
const LONGEST_REPEATED_NAME = 200;

export class TempFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #closed = false;
  #size = 0;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Makes a new file beside `target`; its name is used by nobody else. */
  static async create(target: string, mode: number): Promise<TempFile> {
    const name = basename(target);
    const kept = Buffer.byteLength(name) > LONGEST_REPEATED_NAME ? '' : `${name}.`;
    const path = join(dirname(target), `${kept}${process.pid}-${randomBytes(6).toString('hex')}${TEMP_SUFFIX}`);
    return new TempFile(path, await open(path, 'wx', mode));
  }

  get size(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    let done = 0;
    while (done < chunk.byteLength) {
      const { bytesWritten } = await this.#handle.write(chunk, done, chunk.byteLength - done, this.#size + done);
      if (bytesWritten === 0) throw new LitestreamError('STORAGE_UNAVAILABLE', `cannot write ${this.path}: the system wrote nothing`);
      done += bytesWritten;
    }
    this.#size += chunk.byteLength;
  }

  /**
   * Sets time and owner, makes content and both durable, closes. Returns what `stat` says of the file, which is so under its final name, too.
   *
   * @param createdAt ms since the epoch, kept to the ms; undefined leaves the time of writing.
   */
  async finish(createdAt: number | undefined, mode: number, owner: Owner | undefined): Promise<BigIntStats> {
    const handle = this.#handle;
    // The mode given to open is cut by the umask; this one is not.
    await handle.chmod(mode);
    // Best effort, as only a privileged process may give files away.
    if (owner !== undefined) await handle.chown(owner.uid, owner.gid).catch(() => {});
    if (createdAt !== undefined) {
      // Half a microsecond above: seconds as a double may otherwise come back a hair below the millisecond, and readers cut it off.
      const seconds = (Math.round(createdAt) + 0.0005) / 1000;
      await handle.utimes(seconds, seconds);
    }
    await handle.sync();
    const found = await handle.stat({ bigint: true });
    await this.#close();
    return found;
  }

  /** Gives the file its name, replacing what is there. */
  async replace(target: string): Promise<void> {
    await rename(this.path, target);
  }

  /** Gives the file its name, failing with EEXIST when the name is taken and NOT_SUPPORTED when the file system cannot tell. */
  async claim(target: string): Promise<void> {
    try {
      await link(this.path, target);
    } catch (error) {
      const code = systemCode(error);
      // A network file system may answer "exists" to its own repeated request: two names for our file mean that it succeeded.
      if (code === 'EEXIST' && (await stat(this.path)).nlink === 2) return this.discard();
      if (code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP' || code === 'ENOSYS') {
        throw new LitestreamError('NOT_SUPPORTED', `cannot create ${target} only if absent: its file system has no hard links`, {
          cause: error,
        });
      }
      throw error;
    }
    await this.discard();
  }

  /** Closes and removes the temporary name; never throws, because it runs after a failure or when the work is done. */
  async discard(): Promise<void> {
    await this.#close().catch(() => {});
    await unlink(this.path).catch(() => {});
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }
}
