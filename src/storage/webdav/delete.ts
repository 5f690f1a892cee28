/** Deleting files of a WebDAV server, and only files: DELETE on a directory would take all that is in it. */

import { posix } from 'node:path';
import { orAbort } from '../../base/abortable.ts';
import { LitestreamError } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';
import type { Deletion } from '../directories/deletion.ts';
import type { DAVClient } from './client.ts';

/** Requests under way. */
const DELETES = 8;

/** From this many files of one directory on, one listing tells what they are; below, one question each. */
const LISTED_FROM = 4;

export async function deleteFiles(client: DAVClient, paths: readonly string[], signal: AbortSignal | undefined): Promise<Deletion> {
  const semaphore = new Semaphore(DELETES);
  const failures = new Map<string, unknown>();
  let missing = 0;
  const groups = Map.groupBy(paths, (path) => posix.dirname(path));
  const work = [...groups].map(async ([directory, members]) => {
    const kinds = members.length < LISTED_FROM ? undefined : await kindsIn(client, directory, signal);
    await Promise.all(
      members.map((path) =>
        semaphore.run(async () => {
          try {
            const kind = kinds === undefined ? await kindOf(client, path, signal) : kinds.get(path);
            if (kind === undefined || !(await deleteFile(client, path, kind, signal))) missing += 1;
          } catch (error) {
            signal?.throwIfAborted();
            failures.set(path, error);
          }
        }, signal),
      ),
    );
  });
  await orAbort(Promise.all(work), signal);
  return { missing, failures };
}

type Kind = 'file' | 'directory';

async function kindsIn(client: DAVClient, directory: string, signal: AbortSignal | undefined): Promise<Map<string, Kind>> {
  const found = await client.list(directory, { message: `cannot list directory ${client.url(directory)}`, signal });
  return new Map(
    (found?.children ?? []).map(({ name, isCollection }) => [posix.join(directory, name), isCollection ? 'directory' : 'file']),
  );
}

async function kindOf(client: DAVClient, path: string, signal: AbortSignal | undefined): Promise<Kind | undefined> {
  const found = await client.look(path, { message: `cannot look at ${client.url(path)}`, signal });
  return found === undefined ? undefined : found.isCollection ? 'directory' : 'file';
}

/** False when it was gone already. */
async function deleteFile(client: DAVClient, path: string, kind: Kind, signal: AbortSignal | undefined): Promise<boolean> {
  const message = `cannot delete ${client.url(path)}`;
  if (kind === 'directory')
    throw new LitestreamError('NOT_SUPPORTED', `${message}: it is a directory`, { hint: 'Directories are not deleted here.' });
  const answer = await client.expect([200, 202, 204, 404, 410], 'DELETE', path, { message, signal });
  answer.discard();
  return answer.status < 300;
}
