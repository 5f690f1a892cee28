/**
 * Gives a finished database its name: beside nothing (`publishNew`) or in the place of another, which is kept (`publishReplacing`).
 *
 * Replacing is: note it in the workspace, rename the old file to `NAME.replaced-<UTC>` and its side files after it, link the new file to NAME.
 * The old database leaves first and returns last, so that it never stands there without its WAL. A crash in between leaves the old one
 * whole under the other name and the new one whole in the workspace; `recoverSwap` puts the old one back.
 */

import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { diskError, type RestoreDisk } from './disk.ts';
import { existsAtAll, SIDE_SUFFIXES } from './output.ts';
import { keptName } from './replaced.ts';
import { isUndoCut, recoverUndo } from './undo-note.ts';
import type { Workspace } from './workspace.ts';

const NOTE = 'swap';

/** Publishes without ever replacing anything; OUTPUT_EXISTS when the name was taken meanwhile. */
export function publishNew(disk: RestoreDisk, workspace: Workspace, output: string): void {
  try {
    linkNew(disk, workspace.database, output);
    disk.syncDirectory(dirname(output));
  } catch (error) {
    throw diskError(error, `giving the restored database its name ${output}`);
  }
}

/** Publishes in the place of `output`; returns where the old file is kept. On failure the old file is back. */
export function publishReplacing(disk: RestoreDisk, workspace: Workspace, output: string, now: number): string {
  const kept = keptName(output, now);
  try {
    writeNote(disk, workspace, kept);
    moveAside(disk, output, kept);
    linkNew(disk, workspace.database, output);
    disk.syncDirectory(dirname(output));
  } catch (error) {
    throw afterPutBack(disk, output, kept, diskError(error, `replacing ${output}`));
  }
  return kept;
}

/** Undoes a swap, or the undoing of one, that a crash cut between its renames: the old files are back where they stood. */
export function recoverSwap(disk: RestoreDisk, directory: string, output: string): void {
  recoverUndo(disk, directory, output);
  const kept = cutSwap(directory, output);
  if (kept !== undefined) putBack(disk, output, kept);
}

/** True when the old database has left its name and the new one has not got it. */
export const isSwapCut = (directory: string, output: string): boolean =>
  cutSwap(directory, output) !== undefined || isUndoCut(directory, output);

/** Where the old database was moved by a swap that is neither done nor undone. */
function cutSwap(directory: string, output: string): string | undefined {
  const note = join(directory, NOTE);
  if (!existsSync(note) || existsAtAll(output)) return undefined;
  const name = readFileSync(note, 'utf8').trim();
  if (!name.startsWith(`${basename(output)}.replaced-`) || basename(name) !== name) return undefined;
  const kept = join(dirname(output), name);
  return SIDE_SUFFIXES.some((suffix) => existsAtAll(kept + suffix)) ? kept : undefined;
}

/** OUTPUT_EXISTS when the name was taken meanwhile. Where there are no hard links the file is moved instead. */
export function linkNew(disk: RestoreDisk, from: string, to: string): void {
  try {
    disk.link(from, to);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') throw taken(to, error);
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS' && code !== 'EMLINK') throw error;
    reserveAndRename(disk, from, to);
  }
}

/** For file systems without hard links: take the name with an empty file, and rename over it only while it is still that one. */
function reserveAndRename(disk: RestoreDisk, from: string, to: string): void {
  try {
    disk.close(disk.create(to));
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw taken(to, error);
    throw error;
  }
  if (lstatSync(to).size !== 0) throw taken(to);
  try {
    disk.rename(from, to);
  } catch (error) {
    disk.unlink(to);
    throw error;
  }
}

function taken(path: string, cause?: unknown): LitestreamError {
  return new LitestreamError('OUTPUT_EXISTS', `restoring to ${path}: a file of that name appeared meanwhile`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'It was left as it is; restore again to another name.',
  });
}

/** Notes where what stands at the output will be kept; durable when it returns. */
export function writeNote(disk: RestoreDisk, workspace: Workspace, kept: string): void {
  const fd = disk.create(join(workspace.directory, NOTE));
  try {
    disk.write(fd, Buffer.from(`${basename(kept)}\n`), 0);
    disk.sync(fd);
  } finally {
    disk.close(fd);
  }
  disk.syncDirectory(workspace.directory);
}

/** The database first, so that it is never seen without its WAL. */
export function moveAside(disk: RestoreDisk, output: string, kept: string): void {
  for (const suffix of SIDE_SUFFIXES) {
    if (existsAtAll(output + suffix)) disk.rename(output + suffix, kept + suffix);
  }
  disk.syncDirectory(dirname(output));
}

/** The failure to report once the old database stands where it stood; says where it is when that failed too. */
function afterPutBack(disk: RestoreDisk, output: string, kept: string, failure: unknown): unknown {
  try {
    putBack(disk, output, kept);
    if (!existsAtAll(kept)) return failure;
  } catch {
    // The first failure is the one to report, with the place of the old file.
  }
  return new LitestreamError('INTERNAL', `replacing ${output}: failed, and the previous database is now ${kept}`, {
    cause: failure,
    hint: `Move ${kept} and the files beside it back by hand.`,
  });
}

/** The database comes last, so that it is never seen without its WAL. Leaves all as it is when the name has been taken. */
function putBack(disk: RestoreDisk, output: string, kept: string): void {
  let moved = false;
  if (existsAtAll(kept) && existsAtAll(output)) return;
  for (const suffix of SIDE_SUFFIXES.toReversed()) {
    if (!existsAtAll(kept + suffix) || existsAtAll(output + suffix)) continue;
    disk.rename(kept + suffix, output + suffix);
    moved = true;
  }
  if (moved) disk.syncDirectory(dirname(output));
}
