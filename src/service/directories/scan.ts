/** Looks through a directory for members, by names and by the first bytes of each file. */

import type { BigIntStats, Dirent } from 'node:fs';
import { lstat, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { isAbsence, systemCode } from '../../base/system-error.ts';
import { followPlaces } from '../../engine/follow/places.ts';
import { isMemberName, isOwnDirectory, rootsOf } from './member.ts';
import type { DirectorySettings } from './options.ts';

const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');

/** What lies in one directory and may matter. */
export interface Listing {
  /** File names that fit the pattern; whether they are databases is not known. */
  readonly files: readonly string[];
  /** Directories to look into; none unless recursive. */
  readonly directories: readonly string[];
}

/** Lists one directory of a configured one; symbolic links are not followed. Throws DB_NOT_FOUND when it is not there, ACCESS_DENIED or STORAGE_UNAVAILABLE when it cannot be read. */
export async function listDirectory(settings: DirectorySettings, path: string): Promise<Listing> {
  const { pattern, recursive, template } = settings;
  const roots = rootsOf(template, settings);
  const files: string[] = [];
  const directories: string[] = [];
  for (const entry of await readEntries(path)) {
    const kind = await kindOf(path, entry);
    if (kind === 'file' && isMemberName(pattern, entry.name) && !roots.includes(join(path, entry.name))) files.push(entry.name);
    if (kind === 'directory' && recursive && !isOwnDirectory(entry.name) && !roots.includes(join(path, entry.name)))
      directories.push(entry.name);
  }
  return { files, directories };
}

async function readEntries(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (cause) {
    if (isAbsence(cause)) throw new LitestreamError('DB_NOT_FOUND', `there is no directory ${path}`, { cause });
    const code = systemCode(cause);
    if (code === 'EACCES' || code === 'EPERM')
      throw new LitestreamError('ACCESS_DENIED', `reading the directory ${path}`, {
        cause,
        hint: 'Make it readable for the user that litestream runs as.',
      });
    throw new LitestreamError('STORAGE_UNAVAILABLE', `reading the directory ${path}`, { cause });
  }
}

/** Some file systems do not tell the type with the name. */
async function kindOf(directory: string, entry: Dirent): Promise<'file' | 'directory' | 'other'> {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  if (entry.isSymbolicLink() || entry.isFIFO() || entry.isSocket() || entry.isBlockDevice() || entry.isCharacterDevice()) return 'other';
  const facts = await lookAt(join(directory, entry.name));
  return facts?.isFile() ? 'file' : facts?.isDirectory() ? 'directory' : 'other';
}

/** What is at `path`, links not followed unless asked for; undefined when nothing is. */
export async function lookAt(path: string, { follow = false } = {}): Promise<BigIntStats | undefined> {
  try {
    return await (follow ? stat : lstat)(path, { bigint: true });
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** True when the file begins like a database. Only for files that no SQLite of this process has open (decision 9). */
export async function isDatabaseFile(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (isAbsence(error)) return undefined;
    throw error;
  });
  if (file === undefined) return false;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
    return bytesRead === MAGIC.length && buffer.equals(MAGIC);
  } finally {
    await file.close();
  }
}

/** True for a copy that follows a replica, which replicating would put into WAL mode and so spoil: its cursor stands beside it. */
export const isFollowedCopy = async (path: string): Promise<boolean> => (await lookAt(followPlaces(path).cursor)) !== undefined;

export interface FoundMembers {
  readonly members: readonly string[];
  /** Databases that are left alone, because they are copies that follow a replica. */
  readonly copies: readonly string[];
  /** Directories that could not be read. */
  readonly problems: readonly unknown[];
}

/** Paths below the directory of every file that is a database now. For a process that has none of them open. */
export async function findMembers(settings: DirectorySettings): Promise<FoundMembers> {
  const members: string[] = [];
  const copies: string[] = [];
  const problems: unknown[] = [];
  const visit = async (below: string): Promise<void> => {
    const { files, directories } = await listDirectory(settings, join(settings.dir, below));
    for (const name of files.toSorted()) {
      const path = join(settings.dir, below, name);
      if (await isDatabaseFile(path)) ((await isFollowedCopy(path)) ? copies : members).push(join(below, name));
    }
    for (const name of directories.toSorted()) await visit(join(below, name)).catch((error: unknown) => problems.push(error));
  };
  await visit('').catch((error: unknown) => problems.push(error));
  return { members, copies, problems };
}
