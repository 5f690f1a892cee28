/** The members of configured directories as entries: those that are there now, and the one that would be at a path. */

import { join } from 'node:path';
import { errorToData } from '../../base/errors.ts';
import type { DatabaseEntry } from '../options.ts';
import { Claims } from './claims.ts';
import { memberEntry, memberName, memberPath } from './member.ts';
import type { DirectorySettings } from './options.ts';
import { findMembers } from './scan.ts';

export interface MemberProblem {
  readonly directory: DirectorySettings;
  readonly severity: 'error' | 'warning';
  readonly message: string;
}

/**
 * The members that are there, in the order of their paths; a file that is configured by itself is left to its own entry.
 * For a process that has none of these databases open (decision 9).
 */
export async function expandDirectories(
  entries: readonly DatabaseEntry[],
  directories: readonly DirectorySettings[],
): Promise<{ readonly members: readonly DatabaseEntry[]; readonly problems: readonly MemberProblem[] }> {
  const explicit = new Claims();
  const claims = new Claims();
  for (const entry of entries) {
    explicit.claim(entry);
    claims.claim(entry);
  }
  const members: DatabaseEntry[] = [];
  const problems: MemberProblem[] = [];
  for (const directory of directories) {
    const problem = (severity: MemberProblem['severity'], message: string) => problems.push({ directory, severity, message });
    const found = await findMembers(directory);
    for (const unread of found.problems)
      if (!directory.watch) problem('error', errorToData(unread).message);
      else if (errorToData(unread).code !== 'DB_NOT_FOUND') problem('warning', errorToData(unread).message);
    for (const below of found.copies)
      if (!explicit.has(join(directory.dir, below))) problem('warning', copyText(join(directory.dir, below)));
    const paths = found.members.filter((below) => !explicit.has(join(directory.dir, below)));
    if (found.members.length + found.copies.length === 0 && found.problems.length === 0 && !directory.watch)
      problem('error', `no database in ${directory.dir} matches "${directory.pattern}"`);
    for (const below of paths.toSorted()) {
      const entry = memberEntry(
        directory,
        below,
        memberName(directory, below, (name) => claims.isNameTaken(name)),
      );
      try {
        claims.claim(entry);
        members.push(entry);
      } catch (error) {
        problem('error', errorToData(error).message);
      }
    }
  }
  return { members, problems };
}

/** What is said of a file that would be a member if nothing followed to it. */
export const copyText = (path: string): string =>
  `${path} is a copy that follows a replica and is not replicated; remove ${path}-txid if nothing follows to it any more`;

/** The entry of the file at `path` if it is, was or would be a member of a directory; nothing is looked at. */
export function memberAt(directories: readonly DirectorySettings[], path: string): DatabaseEntry | undefined {
  for (const directory of directories) {
    const below = memberPath(directory, path);
    if (below !== undefined)
      return memberEntry(
        directory,
        below,
        memberName(directory, below, () => false),
      );
  }
  return undefined;
}
