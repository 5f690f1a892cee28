/** The databases that forced restores replaced: kept beside the output as `NAME.replaced-<UTC>` (docs/engine.md, Undo). */

import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RestoreDisk } from './disk.ts';
import { existsAtAll, SIDE_SUFFIXES } from './output.ts';

export interface ReplacedFile {
  /** Absolute path of the database; its side files stand beside it. */
  readonly path: string;
  /** When it was replaced, ms since the epoch, whole seconds. */
  readonly replacedAt: number;
  /** Bytes of the database file. */
  readonly sizeBytes: number;
}

const NAME = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z(?:-([1-9]\d{0,6}))?$/;

/** What beside `output` was once replaced by a restore, newest first; regular files only. */
export function listReplaced(output: string): ReplacedFile[] {
  const directory = dirname(output);
  if (!existsSync(directory)) return [];
  const prefix = `${basename(output)}.replaced-`;
  const found = readdirSync(directory).flatMap((name) => {
    const stamp = name.startsWith(prefix) ? NAME.exec(name.slice(prefix.length)) : null;
    if (stamp === null) return [];
    const path = join(directory, name);
    const facts = lstatSync(path, { throwIfNoEntry: false });
    if (facts === undefined || !facts.isFile()) return [];
    return [{ path, replacedAt: timeOf(stamp), again: Number(stamp[7] ?? 1), sizeBytes: facts.size }];
  });
  found.sort((a, b) => b.replacedAt - a.replacedAt || b.again - a.again);
  return found.map(({ path, replacedAt, sizeBytes }) => ({ path, replacedAt, sizeBytes }));
}

function timeOf([, year, month, day, hour, minute, second]: RegExpExecArray): number {
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
}

/** Where what stands at `output` is kept: `NAME.replaced-20260301T120000Z`, with a number behind it when that is taken. */
export function keptName(output: string, now: number): string {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  const name = `${output}.replaced-${stamp}`;
  let kept = name;
  for (let again = 2; SIDE_SUFFIXES.some((suffix) => existsAtAll(kept + suffix)); again++) kept = `${name}-${again}`;
  return kept;
}

/** Removes a kept database and its side files, the database last: what is left after a crash is found again. */
export function removeReplaced(disk: RestoreDisk, { path }: ReplacedFile): void {
  for (const suffix of SIDE_SUFFIXES.toReversed()) if (existsAtAll(path + suffix)) disk.unlink(path + suffix);
  disk.syncDirectory(dirname(path));
}
