/** Every change a restore makes to the file system, as one interface, so that tests can cut it at each step. */

import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { LitestreamError } from '../../base/errors.ts';

/** Synchronous: restores run in a worker thread. Errors of the system pass through as they are. */
export interface RestoreDisk {
  makeDirectory(path: string, mode: number): void;
  /** Creates a file that must not exist, for writing and reading; mode 0600. */
  create(path: string): number;
  /** Writes all of `bytes` at `position`. */
  write(fd: number, bytes: Uint8Array, position: number): void;
  /** Fills `into` with what is at `position`; all of it must have been written. */
  read(fd: number, into: Uint8Array, position: number): void;
  truncate(fd: number, size: number): void;
  sync(fd: number): void;
  close(fd: number): void;
  setMode(path: string, mode: number): void;
  setOwner(path: string, uid: number, gid: number): void;
  /** Second name of a file; EEXIST when the name is taken. */
  link(from: string, to: string): void;
  rename(from: string, to: string): void;
  unlink(path: string): void;
  /** Removes a directory and what is in it; missing is fine. */
  removeTree(path: string): void;
  /** Makes names in a directory durable. */
  syncDirectory(path: string): void;
  /** Writes back what was written so far while the thread goes on; `fd` must stay open until it settles. */
  writeBack(fd: number): Promise<void>;
}

export const nodeDisk: RestoreDisk = {
  makeDirectory: (path, mode) => mkdirSync(path, { mode }),
  create: (path) => openSync(path, 'wx+', 0o600),
  write: (fd, bytes, position) => {
    for (let done = 0; done < bytes.length; ) {
      const count = writeSync(fd, bytes, done, bytes.length - done, position + done);
      if (count === 0) throw new LitestreamError('INTERNAL', `writing ${bytes.length} bytes at offset ${position}: nothing was written`);
      done += count;
    }
  },
  read: (fd, into, position) => {
    for (let done = 0; done < into.length; ) {
      const count = readSync(fd, into, done, into.length - done, position + done);
      if (count === 0) throw new LitestreamError('INTERNAL', `reading ${into.length} bytes at offset ${position}: the file ends before`);
      done += count;
    }
  },
  truncate: ftruncateSync,
  sync: fsyncSync,
  close: closeSync,
  setMode: chmodSync,
  setOwner: chownSync,
  link: linkSync,
  rename: renameSync,
  unlink: unlinkSync,
  removeTree: (path) => rmSync(path, { recursive: true, force: true }),
  syncDirectory: (path) => {
    const fd = openSync(path, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  },
  writeBack: promisify(fdatasync),
};

/** Creates missing parents of a file, each with the mode that the umask leaves, and makes their names durable. */
export function makeParents(disk: RestoreDisk, path: string): void {
  const parent = dirname(path);
  if (existsSync(parent)) return;
  makeParents(disk, parent);
  disk.makeDirectory(parent, 0o777);
  disk.syncDirectory(dirname(parent));
}

/** Says what was being done and turns the system's codes that people can act on into ours. */
export function diskError(error: unknown, doing: string): unknown {
  if (error instanceof LitestreamError || !(error instanceof Error)) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new LitestreamError('DISK_FULL', `${doing}: no space left`, {
      cause: error,
      hint: 'Free space there, or restore to another file system.',
    });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new LitestreamError('ACCESS_DENIED', `${doing}: not permitted`, {
      cause: error,
      hint: 'Check owner and mode of the directory.',
    });
  }
  return typeof code !== 'string' ? error : new LitestreamError('INTERNAL', `${doing}: ${error.message}`, { cause: error });
}
