/** Makes the database of a target in one new file: list, plan, apply; plans again when a planned file has gone meanwhile. */

import { hasCode } from '../../base/errors.ts';
import { formatChecksum } from '../../formats/ltx/checksum.ts';
import { threadKernel } from '../../formats/ltx/thread-kernel.ts';
import { type Applied, applyFiles } from './apply.ts';
import { diskError, type RestoreDisk } from './disk.ts';
import { spillRoom } from './page-spill.ts';
import { PageWriter } from './page-writer.ts';
import type { RestorePlan } from './plan.ts';
import { PlanChoice } from './plan-choice.ts';
import type { OnRestoreProgress } from './progress.ts';
import type { RestoreSource } from './source.ts';
import type { RestoreTarget } from './target.ts';
import type { Stopwatch } from './time-shares.ts';

/** Level-0 retention and compaction replace files every few minutes; a plan that fails this often has another cause. */
const MAX_REPLANS = 2;

export interface RebuildRequest {
  readonly target: RestoreTarget;
  /** A plan made before; without it one is made now. */
  readonly plan?: RestorePlan;
  /** Read and verify all planned files, not only those that can hold a wanted page. */
  readonly readAll?: boolean;
}

export interface RebuildTools {
  readonly source: RestoreSource;
  readonly disk: RestoreDisk;
  readonly stopwatch: Stopwatch;
  readonly signal: AbortSignal;
  readonly onProgress: OnRestoreProgress;
  /** Called with the bytes that the result needs at least, then with its exact size; what it throws ends the restore. */
  readonly onSize?: (bytes: number) => void;
}

export interface Rebuilt extends Applied {
  readonly plan: RestorePlan;
  readonly pageSize: number;
  readonly pages: number;
  /** Database checksum of the result (docs/formats/ltx.md, Checksums), 16 hex digits. */
  readonly checksum: string;
  /** A planned file had gone and the files were chosen again. */
  readonly replanned: boolean;
}

/**
 * Writes the database to the new file `path` and makes it durable. Every file that was read is verified to its end before this returns.
 *
 * Throws what planning throws, LTX_INVALID, LTX_CHECKSUM_MISMATCH or LTX_TRUNCATED for a damaged file, PAGE_MISSING for a hole, and
 * OBJECT_NOT_FOUND when planned files keep vanishing. The caller removes `path` after a failure.
 */
export async function rebuildDatabase(path: string, request: RebuildRequest, tools: RebuildTools): Promise<Rebuilt> {
  const fd = attempt(`creating ${path}`, () => tools.disk.create(path));
  try {
    let replans = 0;
    let room = (bytes: number): number => spillRoom(path, bytes);
    const choice = new PlanChoice(request, tools);
    let plan = await choice.next();
    while (true) {
      const writer = new PageWriter({ ...tools, fd, spillPath: `${path}-pages`, spillRoom: room, kernel: threadKernel() });
      try {
        const rebuilt = await applyPlan(fd, plan, writer, request, { ...tools, onFailed: choice.failed });
        return { ...rebuilt, replanned: choice.isReplanned };
      } catch (error) {
        // A quota shows only when it is reached. The result alone may still fit.
        if (writer.spilled && hasCode(error, 'DISK_FULL')) room = () => 0;
        else if (!(await choice.isWholeAfterAll(error))) {
          if (!choice.canDoWithout(error) && (!hasCode(error, 'OBJECT_NOT_FOUND') || replans++ === MAX_REPLANS)) throw error;
          plan = await choice.next();
        }
      }
      tools.disk.truncate(fd, 0);
    }
  } finally {
    tools.disk.close(fd);
  }
}

async function applyPlan(
  fd: number,
  plan: RestorePlan,
  writer: PageWriter,
  request: RebuildRequest,
  tools: RebuildTools & { readonly onFailed: PlanChoice['failed'] },
): Promise<Omit<Rebuilt, 'replanned'>> {
  const { source, disk, stopwatch, signal, onSize } = tools;
  onSize?.(plan.files.reduce((largest, file) => Math.max(largest, file.size), 0));
  let bytesRead = 0;
  const report = (phase: 'fetch' | 'write') =>
    tools.onProgress({
      phase,
      bytesRead,
      bytesTotal: plan.totals.bytes,
      pagesWritten: writer.pagesWritten,
      pagesTotal: writer.commit,
    });
  try {
    const applied = await applyFiles(plan.files, {
      source,
      writer,
      kernel: threadKernel(),
      stopwatch,
      signal,
      readAll: request.readAll ?? false,
      onFailed: tools.onFailed,
      onBytes: (bytes) => {
        bytesRead += bytes;
        report('fetch');
      },
      onSize: () => onSize?.(writer.commit * writer.pageSize),
    });
    report('write');
    await writer.writePutOff(signal);
    await stopwatch.measureAsync('fsync', () => writer.finish());
    stopwatch.measure('fsync', () => attempt('making the restored database durable', () => disk.sync(fd)));
    return { ...applied, plan, pageSize: writer.pageSize, pages: writer.commit, checksum: formatChecksum(writer.checksum) };
  } finally {
    await writer.close();
  }
}

function attempt<T>(doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskError(error, doing);
  }
}
