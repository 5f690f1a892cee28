/** The file operations of publishing, few enough to be cut one by one in crash tests, each failing with its stage. */

import { closeSync, existsSync, fchmodSync, fchownSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { type ErrorCode, LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';

/** Mode and owner that a new file gets. */
export interface FileAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface PublishFS {
  /** Makes a directory and its parents; fine when it is there. */
  mkdir(path: string, attributes: FileAttributes): void;
  /** Creates or empties a file for writing. */
  open(path: string, attributes: FileAttributes): number;
  /** Writes all of `bytes`. */
  write(fd: number, path: string, bytes: Uint8Array): void;
  sync(fd: number, path: string): void;
  close(fd: number, path: string): void;
  rename(from: string, to: string): void;
  syncDirectory(path: string): void;
  /** Fine when it is missing. */
  remove(path: string): void;
  exists(path: string): boolean;
}

export const nodePublishFS: PublishFS = {
  mkdir: (path, { mode, uid, gid }) =>
    stage('mkdir', path, () => {
      if (mkdirSync(path, { recursive: true, mode }) === undefined) return;
      chown(openSync(path, 'r'), uid, gid);
    }),
  open: (path, { mode, uid, gid }) =>
    stage('open', path, () => {
      const fd = openSync(path, 'w', mode);
      fchmodSync(fd, mode);
      if (process.getuid?.() !== uid || process.getgid?.() !== gid) tryChown(fd, uid, gid);
      return fd;
    }),
  write: (fd, path, bytes) =>
    stage('write', path, () => {
      for (let at = 0; at < bytes.length; ) {
        const written = writeSync(fd, bytes, at);
        if (written === 0) throw new LitestreamError('INTERNAL', `writing ${path}: nothing was written of ${bytes.length - at} bytes`);
        at += written;
      }
    }),
  sync: (fd, path) => stage('sync', path, () => fsyncSync(fd)),
  close: (fd, path) => stage('close', path, () => closeSync(fd)),
  rename: (from, to) => stage('rename', to, () => renameSync(from, to)),
  syncDirectory: (path) =>
    stage('sync directory', path, () => {
      const fd = openSync(path, 'r');
      try {
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    }),
  remove: (path) => stage('remove', path, () => rmSync(path, { force: true })),
  exists: (path) => existsSync(path),
};

/** Best effort, as in the original: an unprivileged daemon cannot give files away. */
function tryChown(fd: number, uid: number, gid: number): void {
  try {
    fchownSync(fd, uid, gid);
  } catch {
    // See above.
  }
}

function chown(fd: number, uid: number, gid: number): void {
  try {
    tryChown(fd, uid, gid);
  } finally {
    closeSync(fd);
  }
}

const SYSTEM_CODES: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOSPC: ['DISK_FULL', 'Free space on this disk; replication goes on by itself.'],
  EDQUOT: ['DISK_FULL', 'The disk quota is used up; replication goes on by itself when there is space.'],
  EACCES: ['ACCESS_DENIED', 'Give the user of this process read and write access.'],
  EPERM: ['ACCESS_DENIED', 'Give the user of this process read and write access.'],
  EROFS: ['ACCESS_DENIED', 'The file system is read-only; replication needs to write there.'],
  ENOTDIR: ['ACCESS_DENIED', 'A part of the path is a file where a directory is needed.'],
  EEXIST: ['ACCESS_DENIED', 'A file stands where a directory is needed.'],
};

/** Runs one file operation and turns what it throws into an error that names `stage` and `path`. */
export function stage<T>(stage: string, path: string, operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw fileError(error, `${stage} ${path}`, { stage });
  }
}

/** A system error with the meaning it has for us; DB_NOT_READY, which is retried, for all that may pass. */
export function fileError(error: unknown, doing: string, details: Readonly<Record<string, unknown>> = {}): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const system = systemCode(error) ?? '';
  const [code, hint] = SYSTEM_CODES[system] ?? ['DB_NOT_READY', undefined];
  const text = error instanceof Error ? error.message : String(error);
  return new LitestreamError(code, `${doing}: ${text}`, {
    cause: error,
    details: { ...details, systemCode: system },
    ...(hint === undefined ? {} : { hint }),
  });
}
