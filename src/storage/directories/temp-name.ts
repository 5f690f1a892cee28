/** Names of unfinished objects on servers that keep objects as files: how they are made, and which of them were left behind. */

import { randomBytes } from 'node:crypto';
import { LitestreamError } from '../../base/errors.ts';

/** Suffix of files that are not finished; never listed. */
export const TEMP_SUFFIX = '.tmp';

/** Age from which an unfinished file of ours counts as left behind, ms. */
const STALE_MS = 24 * 60 * 60 * 1000;

/** Names longer than this, in bytes, are not repeated in the temporary one: 255 is the usual limit. */
const LONGEST_REPEATED_NAME = 200;

/** When it was begun (ms in base 36), and what makes it unique. A process id, as the file store writes it there, is shorter. */
const OURS = /(?:^|\.)([0-9a-z]{8,9})-[0-9a-f]{12}\.tmp$/;

/** A name that nobody else uses, for what is to become `name`. It tells its time itself: the file's own is set to that of its content. */
export function tempName(name: string, now: number): string {
  const kept = Buffer.byteLength(name) > LONGEST_REPEATED_NAME ? '' : `${name}.`;
  return `${kept}${now.toString(36)}-${randomBytes(6).toString('hex')}${TEMP_SUFFIX}`;
}

/** True for a name made by `tempName` more than a day before `now`. */
export function isStaleTemp(name: string, now: number): boolean {
  const [, began] = OURS.exec(name) ?? [];
  return began !== undefined && now - Number.parseInt(began, 36) > STALE_MS;
}

/** Refuses, with USAGE, a key that would be taken for an unfinished file. */
export function checkFinalKey(key: string): void {
  if (key.endsWith(TEMP_SUFFIX))
    throw new LitestreamError('USAGE', `cannot write ${key}: names ending in ${TEMP_SUFFIX} are for unfinished files`);
}
