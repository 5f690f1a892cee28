/** By what a daemon is found while it owns none of its databases. */

import type { Settings } from '../config/settings.ts';

/** Directories of databases with their patterns: two daemons may share a directory. */
export const announcedDirectories = ({ directories }: Settings): string[] => directories.map(({ dir, pattern }) => `${dir}/${pattern}`);
