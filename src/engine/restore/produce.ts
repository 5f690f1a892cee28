/**
 * What every restore shares, whatever format it reads: the output is looked at, a private workspace made, the result checked there and published
 * in one step (docs/engine.md, Restore apply).
 */

import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { diskError, makeParents, type RestoreDisk } from './disk.ts';
import { checkOutput, type ExistingOutput, existsAtAll, SIDE_SUFFIXES, type TargetGuard } from './output.ts';
import type { OnRestoreProgress } from './progress.ts';
import { isSwapCut, publishNew, publishReplacing, recoverSwap } from './publish.ts';
import { Stopwatch, type TimeShares } from './time-shares.ts';
import { abandonedWorkspaces, createWorkspace, type Workspace, workspaceOf, workspaceToken } from './workspace.ts';

export type IntegrityLevel = 'none' | 'quick' | 'full';

/** Plain data: may cross a thread. */
export interface OutputRequest {
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

export interface OutputTools {
  readonly disk: RestoreDisk;
  readonly clock: Clock;
  readonly guard: TargetGuard;
  /** INTEGRITY_FAILED when SQLite finds something wrong; what it could not look at, as a clause. May leave side files. */
  readonly checkIntegrity: (path: string, level: Exclude<IntegrityLevel, 'none'>) => Promise<string | undefined>;
  readonly signal: AbortSignal;
  readonly onProgress?: OnRestoreProgress;
}

/** A database that stands in the workspace, durable. */
export interface Built {
  readonly pages: number;
  readonly bytesRead: number;
  readonly plan: { readonly totals: { readonly bytes: number } };
}

export interface Produced<B extends Built> {
  readonly built: B;
  readonly durationMs: number;
  readonly integrity: 'ok' | 'skipped';
  /** Where the file that stood at the output is kept. */
  readonly replacedPath?: string;
  readonly shares: TimeShares;
}

/**
 * Lets `build` make a database at the path it is given, checks it and publishes it. The output appears complete or not at all, readable by its
 * owner, with no side files. Throws what `build` throws, and OUTPUT_EXISTS, OUTPUT_IN_USE, DISK_FULL, ACCESS_DENIED, INTEGRITY_FAILED.
 */
export async function produce<B extends Built>(
  request: OutputRequest,
  tools: OutputTools,
  build: (path: string, stopwatch: Stopwatch) => Promise<B>,
): Promise<Produced<B>> {
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
    const built = await build(workspace.database, stopwatch);
    await check(request, workspace, built, stopwatch, tools);
    signal.throwIfAborted();
    const replacedPath = stopwatch.measure('fsync', () => publish(request, workspace, existing, tools));
    return {
      built,
      durationMs: clock.monotonic() - start,
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

function inspectOutput({ output, force = false, metaPath }: OutputRequest, { guard }: OutputTools): ExistingOutput | undefined {
  return checkOutput(output, { force, guard, metaPath });
}

function makeOutputParents(disk: RestoreDisk, output: string): void {
  try {
    makeParents(disk, output);
  } catch (error) {
    throw diskError(error, `making the directory of ${output}`);
  }
}

async function check(
  { integrity }: OutputRequest,
  workspace: Workspace,
  { bytesRead, pages, plan }: Built,
  stopwatch: Stopwatch,
  { checkIntegrity, onProgress, signal }: OutputTools,
): Promise<void> {
  if (integrity === 'none') return;
  signal.throwIfAborted();
  onProgress?.({ phase: 'check', bytesRead, bytesTotal: plan.totals.bytes, pagesWritten: pages, pagesTotal: pages });
  await stopwatch.measureAsync('check', () => checkIntegrity(workspace.database, integrity));
}

/** Looks at the output again: much time may have passed. */
function publish(
  request: OutputRequest,
  workspace: Workspace,
  existing: ExistingOutput | undefined,
  tools: OutputTools,
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
export function removeWorkspace(disk: RestoreDisk, workspace: Workspace, output: string): void {
  try {
    if (isSwapCut(workspace.directory, output)) return;
    disk.removeTree(workspace.directory);
  } catch {
    // The outcome of the restore is more important.
  }
}
