/** Brings back what a forced restore replaced, and keeps what stood there instead (docs/engine.md, Undo). */

import { lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import { diskError, type RestoreDisk } from './disk.ts';
import { checkOutput, existsAtAll, SIDE_SUFFIXES, type TargetGuard } from './output.ts';
import { removeWorkspace, sweepRestores } from './produce.ts';
import { linkNew, moveAside, recoverSwap, writeNote } from './publish.ts';
import { keptName, listReplaced, type ReplacedFile } from './replaced.ts';
import { writeUndoNote } from './undo-note.ts';
import { createWorkspace, type Workspace, workspaceToken } from './workspace.ts';

/** Plain data: may cross a thread. */
export interface UndoRequest {
  /** Absolute path of the database that was replaced. */
  readonly output: string;
  /** Metadata directory of the database at the output when it is not the default one. */
  readonly metaPath?: string;
  /** Say what would be done, and change nothing. Default false. */
  readonly dryRun?: boolean;
  /** From `workspaceToken`, for a caller that may have to clean up after a killed thread. */
  readonly token?: string;
}

export interface UndoTools {
  readonly disk: RestoreDisk;
  readonly clock: Clock;
  readonly guard: TargetGuard;
  readonly signal: AbortSignal;
}

/** Plain data: may cross a thread. */
export interface UndoResult {
  readonly output: string;
  /** What came, or would come, back: where it was kept, and when it had been replaced (ms since the epoch). */
  readonly from: string;
  readonly replacedAt: number;
  /** Bytes of the database file. */
  readonly sizeBytes: number;
  /** Where what stood at the output is kept now; absent where nothing did, and in a dry run. */
  readonly replacedPath?: string;
}

/**
 * The newest `NAME.replaced-*` and its side files become `output` again. Undoing twice is undoing nothing: what stood there is kept the same
 * way, under a newer name. After a crash at any step either database stands whole at the output, or the next sweep puts the one there that stood.
 *
 * Throws NOTHING_TO_UNDO, OUTPUT_IN_USE while anything uses one of the two, OUTPUT_EXISTS for what is not a regular file, ACCESS_DENIED, DISK_FULL.
 */
export async function undoRestore(request: UndoRequest, tools: UndoTools): Promise<UndoResult> {
  const { output, metaPath } = request;
  const { disk, clock, guard, signal } = tools;
  signal.throwIfAborted();
  sweepRestores(disk, dirname(output));
  const back = newestReplaced(output);
  checkOutput(output, { force: true, guard, metaPath });
  guard.assertUnused(back.path, undefined);
  const facts = { output, from: back.path, replacedAt: back.replacedAt, sizeBytes: back.sizeBytes };
  if (request.dryRun === true) return facts;
  const workspace = createWorkspace(disk, output, request.token ?? workspaceToken());
  try {
    const kept = SIDE_SUFFIXES.some((suffix) => existsAtAll(output + suffix)) ? keptName(output, clock.now()) : undefined;
    exchange(disk, workspace, { output, back, kept });
    return { ...facts, ...(kept === undefined ? {} : { replacedPath: kept }) };
  } finally {
    removeWorkspace(disk, workspace, output);
  }
}

function newestReplaced(output: string): ReplacedFile {
  const [newest] = listReplaced(output);
  if (newest !== undefined) return newest;
  throw new LitestreamError('NOTHING_TO_UNDO', `undoing a restore of ${output}: nothing that it replaced is kept beside it`, {
    details: { path: output },
    hint: `What a forced restore replaces is kept as ${output}.replaced-TIME until it expires or is removed.`,
  });
}

interface Exchange {
  readonly output: string;
  readonly back: ReplacedFile;
  readonly kept: string | undefined;
}

function exchange(disk: RestoreDisk, workspace: Workspace, { output, back, kept }: Exchange): void {
  try {
    writeUndoNote(disk, workspace.directory, back.path);
    if (kept !== undefined) {
      writeNote(disk, workspace, kept);
      moveAside(disk, output, kept);
    }
    bringBack(disk, back.path, output);
  } catch (error) {
    throw afterTakingBack(disk, workspace, output, kept, diskError(error, `undoing the restore of ${output}`));
  }
}

/** The database last, so that it is never seen without its WAL. */
function bringBack(disk: RestoreDisk, from: string, output: string): void {
  for (const suffix of SIDE_SUFFIXES.toReversed()) {
    if (suffix !== '' && existsAtAll(from + suffix)) disk.rename(from + suffix, output + suffix);
  }
  linkNew(disk, from, output);
  // Gone already where the file system has no links and the name was moved.
  if (lstatSync(from, { throwIfNoEntry: false }) !== undefined) disk.unlink(from);
  disk.syncDirectory(dirname(output));
}

/** The failure to report once everything stands where it stood. */
function afterTakingBack(disk: RestoreDisk, workspace: Workspace, output: string, kept: string | undefined, failure: unknown): unknown {
  try {
    recoverSwap(disk, workspace.directory, output);
    if (kept === undefined || !existsAtAll(kept)) return failure;
  } catch {
    // The first failure is the one to report, with the place of the file.
  }
  if (kept === undefined || existsAtAll(output)) return failure;
  return new LitestreamError('INTERNAL', `undoing the restore of ${output}: failed, and the database that stood there is now ${kept}`, {
    cause: failure,
    hint: `Move ${kept} and the files beside it back by hand.`,
  });
}
