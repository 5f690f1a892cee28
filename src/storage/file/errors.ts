/** System error codes of the file back end, turned into ours at this one place. */

import { type ErrorCode, LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';

const CODES: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: ['OBJECT_NOT_FOUND', 'Check the path; another process may have removed it.'],
  EEXIST: ['PRECONDITION_FAILED', 'Another process has written this object.'],
  EACCES: ['ACCESS_DENIED', 'Give the user of this process read, write and search permission on the destination.'],
  EPERM: ['ACCESS_DENIED', 'Give the user of this process read, write and search permission on the destination.'],
  EROFS: ['ACCESS_DENIED', 'The destination is mounted read-only.'],
  ENOSPC: ['DISK_FULL', 'Free space at the destination; replication goes on by itself.'],
  EDQUOT: ['DISK_FULL', 'The quota at the destination is used up; replication goes on by itself when there is room.'],
  EFBIG: ['DISK_FULL', 'The destination does not hold files of this size.'],
  EISDIR: ['NOT_SUPPORTED', 'A directory stands where the object belongs: move one of them away.'],
  ENOTDIR: ['CONTAINER_NOT_FOUND', 'A file stands where a directory belongs: is the destination path right, and is it mounted?'],
  ENAMETOOLONG: ['USAGE', 'Choose a shorter path.'],
  EMFILE: ['STORAGE_UNAVAILABLE', 'The limit of open files is reached (ulimit -n).'],
  ENFILE: ['STORAGE_UNAVAILABLE', "The system's limit of open files is reached."],
  EIO: ['STORAGE_UNAVAILABLE', 'The device reports errors: look at the system log.'],
  ESTALE: ['STORAGE_UNAVAILABLE', 'The network file system lost the file handle; it is opened again at the next attempt.'],
};

/** Gives a system error our code and `message` (what was being done to what); anything else is returned untouched. */
export function fileError(error: unknown, message: string): unknown {
  const code = systemCode(error);
  if (code === undefined || error instanceof LitestreamError || !/^E[A-Z0-9]+$/.test(code)) return error;
  const [ours, hint] = CODES[code] ?? (['STORAGE_UNAVAILABLE', `The system said ${code}.`] as const);
  return new LitestreamError(ours, `${message} (${code})`, { cause: error, hint, details: { system: code } });
}
