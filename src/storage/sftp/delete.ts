/** Deleting files of an SFTP server, many at once, all of them tried. */

import { orAbort } from '../../base/abortable.ts';
import type { Deletion } from '../directories/deletion.ts';
import { STATUS, sftpError, statusOf } from './errors.ts';
import type { Session } from './session.ts';

/** Requests under way. */
const DELETES = 32;

export async function deleteFiles(session: Session, paths: readonly string[], signal: AbortSignal | undefined): Promise<Deletion> {
  const failures = new Map<string, unknown>();
  let missing = 0;
  for (let at = 0; at < paths.length; at += DELETES) {
    const removed = paths.slice(at, at + DELETES).map((path) =>
      session.unlink(path).catch((error: unknown) => {
        if (statusOf(error) === STATUS.missing) missing += 1;
        else failures.set(path, sftpError(error, `cannot delete ${path}`));
      }),
    );
    await orAbort(Promise.all(removed), signal);
  }
  return { missing, failures };
}
