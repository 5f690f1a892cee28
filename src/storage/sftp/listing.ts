/** The names in one directory of an SFTP server, as the tree of objects wants them. */

import type { FileEntryWithStats } from 'ssh2';
import { LitestreamError } from '../../base/errors.ts';
import { isStaleTemp } from '../directories/temp-name.ts';
import type { TreeEntry } from '../directories/tree.ts';
import { STATUS, sftpError, statusOf } from './errors.ts';
import type { RemoteHandle, Session } from './session.ts';

/** How many links are followed together. */
const STAT_BATCH = 16;

/** File type bits of the mode; some servers leave the whole mode out. */
const [TYPE, DIRECTORY, REGULAR] = [0o170000, 0o040000, 0o100000];

export interface DirectoryListing {
  readonly entries: readonly TreeEntry[];
  /** Names of unfinished files that were left behind long ago. */
  readonly stale: readonly string[];
}

/** Undefined for a directory that is missing. Files that vanish meanwhile and what is neither file nor directory are left out. */
export async function readListing(session: Session, path: string, now: number): Promise<DirectoryListing | undefined> {
  const found = await readNames(session, path);
  if (found === undefined) return undefined;
  const names = found.filter(({ filename }) => filename !== '.' && filename !== '..' && !filename.includes('/'));
  const entries: TreeEntry[] = [];
  for (let at = 0; at < names.length; at += STAT_BATCH) {
    const looked = await Promise.all(names.slice(at, at + STAT_BATCH).map((entry) => look(session, path, entry)));
    for (const entry of looked) if (entry !== undefined) entries.push(entry);
  }
  const stale = names.filter(({ filename, attrs }) => isStaleTemp(filename, now) && isStaleTime(attrs.mtime, now));
  return { entries, stale: stale.map(({ filename }) => filename) };
}

/** All names, in whatever order; undefined when there is no such directory. */
export async function readNames(session: Session, path: string): Promise<readonly FileEntryWithStats[] | undefined> {
  const message = `cannot list directory ${path}`;
  let handle: RemoteHandle;
  try {
    handle = await session.openDirectory(path);
  } catch (error) {
    if (statusOf(error) === STATUS.missing) return undefined;
    throw sftpError(error, message);
  }
  try {
    const names: FileEntryWithStats[] = [];
    for (let next = await session.readDirectory(handle); next !== undefined; next = await session.readDirectory(handle))
      names.push(...next);
    return names;
  } catch (error) {
    // A directory that was opened and is not there any more is not an empty one.
    if (statusOf(error) === STATUS.missing)
      throw new LitestreamError('STORAGE_UNAVAILABLE', `${message}: it vanished meanwhile`, { cause: error, hint: 'It is tried again.' });
    throw sftpError(error, message);
  } finally {
    await session.close(handle);
  }
}

const isStaleTime = (mtime: number, now: number): boolean => now - mtime * 1000 > 24 * 60 * 60 * 1000;

async function look(session: Session, directory: string, { filename: name, attrs }: FileEntryWithStats): Promise<TreeEntry | undefined> {
  const type = (attrs.mode ?? 0) & TYPE;
  const facts = { name, size: attrs.size, createdAt: attrs.mtime * 1000 };
  if (type === DIRECTORY) return { ...facts, isDirectory: true };
  if (type === REGULAR) return { ...facts, isDirectory: false };
  try {
    const followed = await session.stat(`${directory}/${name}`);
    if (!followed.isDirectory() && !followed.isFile()) return undefined;
    return { name, size: followed.size, createdAt: followed.mtime * 1000, isDirectory: followed.isDirectory() };
  } catch (error) {
    if (statusOf(error) === STATUS.missing) return undefined;
    throw sftpError(error, `cannot look at ${directory}/${name}`);
  }
}
