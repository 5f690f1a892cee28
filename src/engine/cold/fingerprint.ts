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

/** File times tell two writes apart only when some time lies between: this long where they have whole seconds only, and where they are finer, ms. */
const COARSE_MS = 1000;
const FINE_MS = 100;
const SECOND_NS = 1_000_000_000n;

/** Whether neither file was modified in the last moments before `now` (ms since the epoch), so that another write would show; undefined when there is none. */
export function isStill(path: string, walPath: string, now: number): boolean | undefined {
  const times = [path, walPath].flatMap((file) => statSync(file, { bigint: true, throwIfNoEntry: false })?.mtimeNs ?? []);
  if (times.length === 0) return undefined;
  const stillness = times.every((time) => time % SECOND_NS !== 0n) ? FINE_MS : COARSE_MS;
  return times.every((time) => Math.abs(now - Number(time / 1_000_000n)) >= stillness);
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
