/** What an undo writes down before it moves anything, so that a crash in its middle can be told and taken back file by file. */

import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RestoreDisk } from './disk.ts';
import { existsAtAll, SIDE_SUFFIXES } from './output.ts';

const NOTE = 'undo';

/** The kept database that comes back, and which file each of its names is: inode numbers stay with a file that is renamed. */
interface UndoNote {
  readonly from: string;
  readonly inodes: Readonly<Record<string, string>>;
}

/** Notes that `from` and its side files are to become `output`; durable when it returns. */
export function writeUndoNote(disk: RestoreDisk, directory: string, from: string): void {
  const inodes = Object.fromEntries(
    SIDE_SUFFIXES.flatMap((suffix) => {
      const inode = inodeOf(from + suffix);
      return inode === undefined ? [] : [[suffix, inode]];
    }),
  );
  const fd = disk.create(join(directory, NOTE));
  try {
    disk.write(fd, Buffer.from(JSON.stringify({ from: basename(from), inodes })), 0);
    disk.sync(fd);
  } finally {
    disk.close(fd);
  }
  disk.syncDirectory(directory);
}

/**
 * Takes back an undo that was cut: where the database has not come back yet, its side files return to their kept names; where it has, its
 * second name goes. What stands at the output and does not belong to the kept database is left alone.
 */
export function recoverUndo(disk: RestoreDisk, directory: string, output: string): void {
  const note = readNote(directory, output);
  if (note === undefined) return;
  if (existsAtAll(output)) {
    if (isNoted(note, '', output) && isNoted(note, '', note.from)) disk.unlink(note.from);
    return;
  }
  for (const suffix of cutSides(note, output)) disk.rename(output + suffix, note.from + suffix);
  disk.syncDirectory(dirname(output));
}

/** True when some of the kept database stands at the output and the database itself does not. */
export function isUndoCut(directory: string, output: string): boolean {
  const note = readNote(directory, output);
  return note !== undefined && !existsAtAll(output) && cutSides(note, output).length > 0;
}

function cutSides(note: UndoNote, output: string): string[] {
  return SIDE_SUFFIXES.filter((suffix) => suffix !== '' && isNoted(note, suffix, output + suffix) && !existsAtAll(note.from + suffix));
}

const isNoted = ({ inodes }: UndoNote, suffix: string, path: string): boolean =>
  inodes[suffix] !== undefined && inodes[suffix] === inodeOf(path);

/** Undefined without one, for one that was cut, and for one that names anything but a kept file beside the output. */
function readNote(directory: string, output: string): UndoNote | undefined {
  const path = join(directory, NOTE);
  if (!existsSync(path)) return undefined;
  const data = parse(readFileSync(path, 'utf8'));
  if (typeof data !== 'object' || data === null || !('from' in data) || !('inodes' in data)) return undefined;
  const { from, inodes } = data;
  if (typeof from !== 'string' || !from.startsWith(`${basename(output)}.replaced-`) || basename(from) !== from) return undefined;
  if (typeof inodes !== 'object' || inodes === null) return undefined;
  return {
    from: join(dirname(output), from),
    inodes: Object.fromEntries(Object.entries(inodes).map(([key, value]) => [key, String(value)])),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function inodeOf(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? undefined : `${found.dev}:${found.ino}`;
}
