/** Paths of replicas as the prefixes of keys that the original makes of them. */

import { posix } from 'node:path';

/** Path of a URL as the original cleans it: without slashes around it, and `.` when there is none. */
export const cleanURLPath = (path: string): string => posix.normalize(path).replace(/^\/+|\/+$/g, '');

/** The same as a prefix of stores that join paths, where `.` is nothing. */
export const prefixOf = (path: string): string => cleanURLPath(path).replace(/^\.$/, '');

/** A prefix of such stores as the original joins it: a slash in front stays. */
export const joinedPath = (path: string): string =>
  posix
    .normalize(path)
    .replace(/(?<=.)\/$/, '')
    .replace(/^\.$/, '');
