/** Restores a database: into a private place, verified, then published under its name in one step (docs/engine.md, Restore apply). */

import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import { diskError, makeParents, type RestoreDisk } from './disk.ts';
import { checkFreeSpace, checkOutput, type ExistingOutput, existsAtAll, SIDE_SUFFIXES, type TargetGuard } from './output.ts';
import type { RestorePlan } from './plan.ts';
import { type OnRestoreProgress, type RestoreProgress, throttleProgress } from './progress.ts';
import { isSwapCut, publishNew, publishReplacing, recoverSwap } from './publish.ts';
import { type Rebuilt, rebuildDatabase } from './rebuild.ts';
import type { RestoreSource } from './source.ts';
import type { RestoreTarget } from './target.ts';
import { Stopwatch, type TimeShares } from './time-shares.ts';
import { abandonedWorkspaces, createWorkspace, type Workspace, workspaceOf, workspaceToken } from './workspace.ts';

export type IntegrityLevel = 'none' | 'quick' | 'full';

/** Plain data: may cross a thread. */
export interface RestoreRequest {
  readonly target: RestoreTarget;
  /** A plan made before. Its files may have been compacted since; the TXID it reached is kept to. */
  readonly plan?: RestorePlan;
  /** Absolute path. Missing parents are created. */
  readonly output: string;
  /** SQLite's own check of the result before it is published. */
  readonly integrity: IntegrityLevel;
  /** Replace what stands at the output, keeping it as `NAME.replaced-<UTC>`. Default false. */
  readonly force?: boolean;
  /** Metadata directory of the database at the output when it is not the default one; looked at with `force`. */
  readonly metaPath?: string;
  /** Permission bits of the result; by default those of the replaced file, else 0600. */
  readonly mode?: number;
  /** From `workspaceToken`, for a caller that may have to clean up after a killed thread. */
  readonly token?: string;
}

export interface RestoreTools {
  readonly source: RestoreSource;
  readonly disk: RestoreDisk;
  readonly clock: Clock;
  readonly guard: TargetGuard;
  /** INTEGRITY_FAILED when SQLite finds something wrong. May leave side files. */
  readonly checkIntegrity: (path: string, level: Exclude<IntegrityLevel, 'none'>) => Promise<void>;
  readonly signal: AbortSignal;
  readonly onProgress?: OnRestoreProgress;
}

/** Plain data: may cross a thread. */
export interface RestoreResult {
  readonly output: string;
  /** What was reached and its time, ms since the epoch. */
  readonly txid: TXID;
  readonly time: number;
  readonly plan: RestorePlan;
  /** Bytes. */
  readonly pageSize: number;
  readonly pages: number;
  readonly sizeBytes: number;
  readonly filesRead: number;
  readonly bytesRead: number;
  readonly durationMs: number;
  readonly replanned: boolean;
  /** Database checksum (docs/formats/ltx.md, Checksums): XOR of the page checksums with bit 63 set, 16 hex digits. */
  readonly checksum: string;
  readonly integrity: 'ok' | 'skipped';
  /** Where the file that stood at the output is kept. */
  readonly replacedPath?: string;
  readonly shares: TimeShares;
}

/**
 * Restores `request.target` to `request.output`. The output appears complete or not at all, readable by its owner, with no side files.
 *
 * After replacing a database that is replicated from here, its metadata directory may stay: the engine sees at its next start that the
 * WAL is another one and begins with a full file.
 *
 * Throws what planning and applying throw, and OUTPUT_EXISTS, OUTPUT_IN_USE, DISK_FULL, ACCESS_DENIED, INTEGRITY_FAILED.
 */
export async function restoreDatabase(request: RestoreRequest, tools: RestoreTools): Promise<RestoreResult> {
  const { disk, clock, signal } = tools;
  const { output } = request;
  const start = clock.monotonic();
  const stopwatch = new Stopwatch(() => clock.monotonic());
  signal.throwIfAborted();
  sweepRestores(disk, dirname(output));
  const existing = inspectOutput(request, tools);
  makeOutputParents(disk, output);
  const workspace = createWorkspace(disk, output, request.token ?? workspaceToken());
  try {
    const rebuilt = await rebuild(request, workspace, stopwatch, tools);
    await check(request, workspace, rebuilt, stopwatch, tools);
    signal.throwIfAborted();
    const replacedPath = stopwatch.measure('fsync', () => publish(request, workspace, existing, tools));
    return {
      output,
      txid: rebuilt.plan.reached.txid,
      time: rebuilt.plan.reached.time,
      plan: rebuilt.plan,
      pageSize: rebuilt.pageSize,
      pages: rebuilt.pages,
      sizeBytes: rebuilt.pages * rebuilt.pageSize,
      filesRead: rebuilt.filesRead,
      bytesRead: rebuilt.bytesRead,
      durationMs: clock.monotonic() - start,
      replanned: rebuilt.replanned,
      checksum: rebuilt.checksum,
      integrity: request.integrity === 'none' ? 'skipped' : 'ok',
      ...(replacedPath === undefined ? {} : { replacedPath }),
      shares: stopwatch.shares(),
    };
  } finally {
    removeWorkspace(disk, workspace, output);
  }
}

/**
 * Removes what restores into `directory` left that ended with their process, and undoes swaps that were cut. Best called for the directory of
 * a database before it is opened, and for directories of restores at start.
 */
export function sweepRestores(disk: RestoreDisk, directory: string): void {
  for (const left of abandonedWorkspaces(directory)) {
    recoverSwap(disk, left.directory, left.output);
    disk.removeTree(left.directory);
  }
}

/** The same for one restore whose thread has ended, known by its token. */
export function removeWorkspaceOf(disk: RestoreDisk, output: string, token: string): void {
  const { directory } = workspaceOf(output, token);
  recoverSwap(disk, directory, output);
  disk.removeTree(directory);
}

function inspectOutput({ output, force = false, metaPath }: RestoreRequest, { guard }: RestoreTools): ExistingOutput | undefined {
  return checkOutput(output, { force, guard, metaPath });
}

function makeOutputParents(disk: RestoreDisk, output: string): void {
  try {
    makeParents(disk, output);
  } catch (error) {
    throw diskError(error, `making the directory of ${output}`);
  }
}

async function rebuild(request: RestoreRequest, workspace: Workspace, stopwatch: Stopwatch, tools: RestoreTools): Promise<Rebuilt> {
  const { source, disk, signal, clock, onProgress } = tools;
  return await rebuildDatabase(workspace.database, request, {
    source,
    disk,
    stopwatch,
    signal,
    onProgress: onProgress === undefined ? () => {} : throttleProgress(clock, onProgress),
    onSize: (bytes) => checkFreeSpace(request.output, bytes),
  });
}

async function check(
  { integrity }: RestoreRequest,
  workspace: Workspace,
  rebuilt: Rebuilt,
  stopwatch: Stopwatch,
  { checkIntegrity, onProgress, signal }: RestoreTools,
): Promise<void> {
  if (integrity === 'none') return;
  signal.throwIfAborted();
  const progress: RestoreProgress = {
    phase: 'check',
    bytesRead: rebuilt.bytesRead,
    bytesTotal: rebuilt.plan.totals.bytes,
    pagesWritten: rebuilt.pages,
    pagesTotal: rebuilt.pages,
  };
  onProgress?.(progress);
  await stopwatch.measureAsync('check', () => checkIntegrity(workspace.database, integrity));
}

/** Looks at the output again: much time may have passed. */
function publish(
  request: RestoreRequest,
  workspace: Workspace,
  existing: ExistingOutput | undefined,
  tools: RestoreTools,
): string | undefined {
  const { disk, clock } = tools;
  const { output } = request;
  const standing = inspectOutput(request, tools) ?? existing;
  disk.setMode(workspace.database, request.mode ?? standing?.mode ?? 0o600);
  if (standing !== undefined) keepOwner(disk, workspace, standing);
  if (SIDE_SUFFIXES.some((suffix) => existsAtAll(output + suffix))) {
    return publishReplacing(disk, workspace, output, clock.now());
  }
  publishNew(disk, workspace, output);
  return undefined;
}

/** Best effort: only root may give files away, and the mode is already right for everyone else. */
function keepOwner(disk: RestoreDisk, workspace: Workspace, { uid, gid }: ExistingOutput): void {
  try {
    disk.setOwner(workspace.database, uid, gid);
  } catch {
    // The owner stays the one who restores.
  }
}

/** Best effort after a success and after a failure: the next restore to the same output sweeps what is left. A swap that could not be undone is left to it. */
function removeWorkspace(disk: RestoreDisk, workspace: Workspace, output: string): void {
  try {
    if (isSwapCut(workspace.directory, output)) return;
    disk.removeTree(workspace.directory);
  } catch {
    // The outcome of the restore is more important.
  }
}
