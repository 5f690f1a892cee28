/** One merge at a replica: inputs brought here, merged in a thread, the result put create-only (docs/engine.md, Compaction). */

import { join } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import type { FileInfo, Level } from '../../replica/file-info.ts';
import { SNAPSHOT_LEVEL } from '../../replica/file-info.ts';
import type { Replica } from '../../replica/replica.ts';
import { fileBody } from '../../storage/body.ts';
import type { RunJob } from '../jobs.ts';
import type { DatabaseSettings } from '../options.ts';
import type { LocalLog } from '../upload/local-log.ts';
import { bringInputs } from './merge-inputs.ts';
import type { MergeResult } from './merge-job.ts';

export interface MergeTools {
  readonly replica: Replica;
  readonly local: LocalLog;
  /** Gives `work` a directory of its own and removes it afterwards. */
  readonly staging: { with<T>(work: (directory: string) => Promise<T>): Promise<T> };
  readonly runJob: RunJob;
  readonly pageForm: DatabaseSettings['pageForm'];
  readonly signal: AbortSignal;
}

export interface Merged {
  readonly file: FileInfo;
  /** How many of the inputs are in it: the next one has another page size. */
  readonly inputs: number;
  readonly pageSize: number;
}

/**
 * Merges `inputs` (in their order, each contiguous with the one before) into one file of `level`, up to the first change of page size; into
 * level 9 from the last one on. Its time is that of its last input. A valid file of its range that exists already is adopted.
 *
 * Nothing is left behind, whatever happens. Throws what bringing, merging (`mergeFiles`) and `Replica.write` throw, and the signal's reason.
 */
export async function mergeInto(level: Level, inputs: readonly FileInfo[], tools: MergeTools): Promise<Merged> {
  try {
    return await attempt(level, inputs, tools, tools.local);
  } catch (error) {
    // A local copy that is damaged or was moved away says nothing about the replica's.
    if (!isLocalDamage(error, tools.local)) throw error;
    return attempt(level, inputs, tools, undefined);
  }
}

function attempt(level: Level, inputs: readonly FileInfo[], tools: MergeTools, local: LocalLog | undefined): Promise<Merged> {
  const { replica, runJob, pageForm, signal } = tools;
  return tools.staging.with(async (directory) => {
    const paths = await bringInputs(inputs, { replica, local, directory, signal });
    const output = join(directory, 'merged.ltx');
    const isSnapshot = level === SNAPSHOT_LEVEL;
    const made = await runJob('merge', { inputs: paths, output, pageForm, isSnapshot }, { signal });
    return { file: await put(level, output, made, tools), inputs: made.merged, pageSize: made.pageSize };
  });
}

function put(level: Level, path: string, made: MergeResult, { replica, signal }: MergeTools): Promise<FileInfo> {
  const { minTXID, maxTXID, size, timestamp } = made;
  const body = fileBody(path, size);
  return replica.write(level, minTXID, maxTXID, body, { createdAt: timestamp, signal });
}

function isLocalDamage(error: unknown, local: LocalLog): boolean {
  const path = error instanceof LitestreamError ? error.details?.path : undefined;
  return typeof path === 'string' && path.startsWith(local.directory);
}
