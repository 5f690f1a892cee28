/** Restores a database from LTX files: into a private place, verified, then published under its name in one step (docs/engine.md, Restore apply). */

import type { TXID } from '../../formats/ltx/txid.ts';
import { checkFreeSpace } from './output.ts';
import type { RestorePlan } from './plan.ts';
import { type OutputRequest, type OutputTools, produce } from './produce.ts';
import { throttleProgress } from './progress.ts';
import { rebuildDatabase } from './rebuild.ts';
import type { SourceReport } from './several-sources.ts';
import type { RestoreSource } from './source.ts';
import type { RestoreTarget } from './target.ts';
import type { TimeShares } from './time-shares.ts';

export { type IntegrityLevel, removeWorkspaceOf, sweepRestores } from './produce.ts';

/** Plain data: may cross a thread. */
export interface RestoreRequest extends OutputRequest {
  readonly target: RestoreTarget;
  /** A plan made before. Its files may have been compacted since; the TXID it reached is kept to. */
  readonly plan?: RestorePlan;
}

export interface RestoreTools extends OutputTools {
  readonly source: RestoreSource;
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
  /** Where the files came from; absent when there was only one possibility. */
  readonly sources?: SourceReport;
  /** Where the file that stood at the output is kept. */
  readonly replacedPath?: string;
  readonly shares: TimeShares;
}

/**
 * Restores `request.target` to `request.output`.
 *
 * After replacing a database that is replicated from here, its metadata directory may stay: the engine sees at its next start that the
 * WAL is another one and begins with a full file.
 *
 * Throws what planning, applying and `produce` throw.
 */
export async function restoreDatabase(request: RestoreRequest, tools: RestoreTools): Promise<RestoreResult> {
  const { source, disk, signal, clock, onProgress } = tools;
  const { output } = request;
  const { built, ...produced } = await produce(request, tools, (path, stopwatch) =>
    rebuildDatabase(path, request, {
      source,
      disk,
      stopwatch,
      signal,
      onProgress: onProgress === undefined ? () => {} : throttleProgress(clock, onProgress),
      onSize: (bytes) => checkFreeSpace(output, bytes),
    }),
  );
  const { plan, pageSize, pages, filesRead, bytesRead, replanned, checksum } = built;
  const { txid, time } = plan.reached;
  const sizeBytes = pages * pageSize;
  return { output, txid, time, plan, pageSize, pages, sizeBytes, filesRead, bytesRead, replanned, checksum, ...produced };
}
