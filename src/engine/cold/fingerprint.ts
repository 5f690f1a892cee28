/** What the files of a closed database look like, to find out without opening them whether anybody has written since. */

import { statSync } from 'node:fs';
import { systemCode } from '../../base/system-error.ts';

/** A database that was closed, and how its files looked before the last look at them. */
export interface ColdPlace {
  /** As configured; may be a symbolic link. */
  readonly path: string;
  /** SQLite keeps the WAL beside the file that the link leads to. */
  readonly walPath: string;
  readonly fingerprint: string;
}

/** Equal as long as neither file was written, replaced, removed or made. Never opens them (docs/engine.md, Descriptor rule). */
export const fingerprintOf = (path: string, walPath: string): string => `${looksOf(path)} ${looksOf(walPath)}`;

export const hasChanged = ({ path, walPath, fingerprint }: ColdPlace): boolean => fingerprintOf(path, walPath) !== fingerprint;

/** Latest modification of either file, ms since the epoch; undefined when there is none. */
export function modifiedAt(path: string, walPath: string): number | undefined {
  const times = [path, walPath].flatMap((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? []);
  return times.length === 0 ? undefined : Math.max(...times);
}

function looksOf(path: string): string {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return '-';
    // The time of the last change of attributes cannot be set, unlike the modification time.
    return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
  } catch (error) {
    return systemCode(error) ?? '?';
  }
}
