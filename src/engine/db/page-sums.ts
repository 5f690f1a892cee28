/** One sum per page of a captured state, so that a later restore can be compared with what the database held then (decision 25). */

import { join } from 'node:path';
import { threadKernel } from '../../formats/ltx/thread-kernel.ts';
import { formatTXID } from '../../formats/ltx/txid.ts';
import type { PageSums } from '../database-engine.ts';
import { Breather } from './breather.ts';
import type { FrozenView } from './frozen-view.ts';
import { allPages } from './page-source.ts';
import type { FileAttributes, PublishFS } from './publish-fs.ts';
import { StagedWriter } from './staged-writer.ts';

/** Bytes of pages read at once. */
const RUN_BYTES = 1024 * 1024;
/** Bytes of one sum. */
const SUM_SIZE = 8;

export interface PageSumsJob {
  readonly view: FrozenView;
  readonly directory: string;
  /** Goes into the file name: several databases may share a directory. */
  readonly name: string;
  readonly fs: PublishFS;
  readonly attributes: FileAttributes;
  readonly signal: AbortSignal;
}

/** Writes `<directory>/<name>-<position>.sums`. The view stays the caller's. */
export async function writePageSums(job: PageSumsJob): Promise<PageSums> {
  const { view, directory, name, fs, attributes } = job;
  const { txid, pageSize, commit } = view.cursor;
  const path = join(directory, `${name}-${formatTXID(txid)}.sums`);
  fs.remove(path);
  const staged = new StagedWriter(fs, path, attributes);
  try {
    await writeSums(job, staged);
    staged.publish();
  } catch (error) {
    staged.discard();
    throw error;
  }
  return { path, txid, pageSize, commit };
}

async function writeSums({ view, signal }: PageSumsJob, staged: StagedWriter): Promise<void> {
  const { pageSize, commit } = view.cursor;
  const kernel = threadKernel();
  const maxRun = Math.max(1, Math.floor(RUN_BYTES / pageSize));
  const at = kernel.allocate(maxRun * pageSize);
  const breather = new Breather();
  try {
    for (const { first, count } of allPages(commit, pageSize, maxRun)) {
      // The lock page, left out of the runs, has the sum 0.
      const missing = first - 1 - staged.size / SUM_SIZE;
      if (missing > 0) staged.write(new Uint8Array(missing * SUM_SIZE));
      view.source.readRun(first, kernel.view(at, count * pageSize));
      const sums = new DataView(new ArrayBuffer(count * SUM_SIZE));
      for (let i = 0; i < count; i++) sums.setBigUint64(i * SUM_SIZE, kernel.crc64(0n, at + i * pageSize, pageSize), true);
      staged.write(new Uint8Array(sums.buffer));
      await breather.pause();
      signal.throwIfAborted();
    }
    const rest = commit - staged.size / SUM_SIZE;
    if (rest > 0) staged.write(new Uint8Array(rest * SUM_SIZE));
  } finally {
    kernel.free(at);
  }
}
