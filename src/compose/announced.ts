/** By what a daemon is found while it owns none of its databases. */

import type { Settings } from '../config/settings.ts';
import { directoryKey } from '../service/directories/member.ts';

/** Directories of databases with their patterns: two daemons may share a directory. */
export const announcedDirectories = ({ directories }: Settings): string[] => directories.map(directoryKey);
