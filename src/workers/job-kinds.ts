/** Composition root of the jobs: gives each kind its tools and runs it in this thread. */

import { dirname } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { hasCode, LitestreamError } from '../base/errors.ts';
import { mergeFiles } from '../engine/compaction/merge-job.ts';
import { followDisk } from '../engine/follow/disk.ts';
import { followReplica } from '../engine/follow/follow.ts';
import type { JobArguments, JobKind, JobResults } from '../engine/jobs.ts';
import { restoreLegacy } from '../engine/legacy/restore.ts';
import { fetchFile } from '../engine/repair/fetch.ts';
import { inspectReplica } from '../engine/repair/inspect.ts';
import { nodeDisk } from '../engine/restore/disk.ts';
import { type RestoreTools, restoreDatabase } from '../engine/restore/restore.ts';
import { undoRestore } from '../engine/restore/undo.ts';
import { sealFile } from '../engine/upload/seal-job.ts';
import { verifyReplica } from '../engine/verify/verify.ts';
import { openReplica } from '../replica/open.ts';
import type { Replica } from '../replica/replica.ts';
import { checkIntegrity, type IntegrityResult } from '../sqlite/integrity.ts';
import type { StoreSpec } from '../storage/spec.ts';
import type { JobOptions } from './job-protocol.ts';
import { JobRequestCounts } from './job-requests.ts';
import { withSources } from './job-sources.ts';
import { targetGuard } from './job-target-guard.ts';

interface JobTools {
  readonly source: Replica;
  readonly open: (store: StoreSpec) => Promise<Replica>;
  readonly clock: typeof systemClock;
  readonly checkIntegrity: RestoreTools['checkIntegrity'];
  readonly signal: AbortSignal;
  readonly onProgress?: JobOptions['onProgress'] & {};
  readonly onNote: JobOptions['onNote'] & {};
}

const RUN: { readonly [K in JobKind]: (args: JobArguments[K], tools: JobTools) => Promise<JobResults[K]> } = {
  restore: (args, tools) =>
    withSources(args, tools, async (source) => {
      const result = await restoreDatabase(args, { ...tools, source, disk: nodeDisk, guard: targetGuard });
      return { ...result, sources: source.report(result.plan) };
    }),
  restoreLegacy: (args, tools) => restoreLegacy(args, { ...tools, source: tools.source.store, disk: nodeDisk, guard: targetGuard }),
  undo: (args, { clock, signal }) => undoRestore(args, { disk: nodeDisk, clock, guard: targetGuard, signal }),
  verify: (args, tools) => verifyReplica(args, tools),
  follow: (args, tools) => followReplica(args, { ...tools, disk: followDisk, guard: targetGuard }),
  merge: (args, { signal }) => mergeFiles(args, { signal }),
  seal: (args) => sealFile(args),
  inspect: (args, tools) => inspectReplica(args, tools),
  fetch: (args, tools) => fetchFile(args, tools),
};

/** Runs a job here. It blocks the thread for long stretches: `runJob` gives it one of its own. */
export async function runJobHere<K extends JobKind>(
  kind: K,
  args: JobArguments[K],
  { signal = new AbortController().signal, onProgress, onNote = () => {}, onRequests = () => {} }: JobOptions = {},
): Promise<JobResults[K]> {
  const requests = new JobRequestCounts(onRequests);
  const open = (store: StoreSpec) => openReplica(store, requests.countingAt(store));
  // Opening contacts nothing, and a job on local files never does.
  const source = await open('store' in args ? args.store : { type: 'file', path: dirname(args.output) });
  try {
    return await RUN[kind](args, {
      source,
      open,
      clock: systemClock,
      checkIntegrity: requireIntegrity,
      signal,
      onNote,
      ...(onProgress === undefined ? {} : { onProgress }),
    });
  } finally {
    await source.close();
    requests.flush();
  }
}

async function requireIntegrity(path: string, level: 'quick' | 'full'): Promise<string | undefined> {
  const { ok, problem = 'SQLite found it damaged', remark } = examine(path, level);
  if (ok) return remark;
  throw new LitestreamError('INTEGRITY_FAILED', `checking the restored database: ${problem}`, {
    hint: 'The source was damaged when it was replicated, or the replica is; try an earlier state.',
  });
}

function examine(path: string, level: 'quick' | 'full'): IntegrityResult {
  try {
    return checkIntegrity(path, level);
  } catch (error) {
    // Damage so great that the file cannot even be opened.
    if (hasCode(error, 'DB_CORRUPT') || hasCode(error, 'DB_INVALID')) return { ok: false, problem: error.message };
    throw error;
  }
}
