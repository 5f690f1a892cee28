/** Restores a database from data of version 0.3, published like every restore (docs/engine.md, Version 0.3 data). */

import { checkFreeSpace } from '../restore/output.ts';
import { type OutputRequest, type OutputTools, produce } from '../restore/produce.ts';
import { throttleProgress } from '../restore/progress.ts';
import type { TimeShares } from '../restore/time-shares.ts';
import { readIdentities } from './identities.ts';
import type { LegacySource } from './open-file.ts';
import type { LegacyPlan } from './plan.ts';
import { rebuildLegacy } from './rebuild.ts';

/** Plain data: may cross a thread, and must go nowhere else, because it may hold keys. */
export interface LegacyRestoreRequest extends OutputRequest {
  readonly plan: LegacyPlan;
  /** age identities: `AGE-SECRET-KEY-…`, or absolute paths of files with one on each line. */
  readonly identities?: readonly string[];
}

export interface LegacyRestoreTools extends OutputTools {
  readonly source: LegacySource;
}

/** Plain data: may cross a thread. */
export interface LegacyRestoreResult {
  readonly output: string;
  readonly plan: LegacyPlan;
  /** Of the last file that was applied, ms since the epoch. */
  readonly time: number;
  /** Bytes. */
  readonly pageSize: number;
  readonly pages: number;
  readonly sizeBytes: number;
  readonly filesRead: number;
  readonly bytesRead: number;
  readonly durationMs: number;
  readonly integrity: 'ok' | 'skipped';
  /** Where the file that stood at the output is kept. */
  readonly replacedPath?: string;
  readonly shares: TimeShares;
}

/** Throws LEGACY_INVALID, IDENTITY_REQUIRED, OBJECT_NOT_FOUND, and what `produce` throws. */
export async function restoreLegacy(request: LegacyRestoreRequest, tools: LegacyRestoreTools): Promise<LegacyRestoreResult> {
  const { source, disk, signal, clock, onProgress } = tools;
  const { output, plan } = request;
  const identities = readIdentities(request.identities ?? []);
  const { built, ...produced } = await produce(request, tools, (path, stopwatch) => {
    checkFreeSpace(output, plan.totals.bytes);
    return rebuildLegacy(path, plan, {
      source,
      identities,
      disk,
      stopwatch,
      signal,
      onProgress: onProgress === undefined ? () => {} : throttleProgress(clock, onProgress),
    });
  });
  const { pageSize, pages, filesRead, bytesRead } = built;
  return { output, plan, time: plan.reached.time, pageSize, pages, sizeBytes: pages * pageSize, filesRead, bytesRead, ...produced };
}
