/** Carries restores out as jobs, for a plan into a private directory first, for an operator straight (docs/mcp.md, A restore takes two calls). */

import { LitestreamError } from '../base/errors.ts';
import type { LegacyRestoreResult } from '../engine/legacy/restore.ts';
import type { OutputRequest } from '../engine/restore/produce.ts';
import type { RestoreProgress } from '../engine/restore/progress.ts';
import type { RestoreResult } from '../engine/restore/restore.ts';
import type { TXID } from '../formats/ltx/txid.ts';
import { maintenanceOf } from '../service/maintenance/maintenance.ts';
import type { JobContext } from './job-work.ts';
import { handleOf } from './lookup.ts';
import { formatInstant } from './moment.ts';
import type { OutputTarget } from './output-path.ts';
import type { Progress } from './progress.ts';
import { PrivateDirectory } from './publish.ts';
import type { Choice } from './restore-choice.ts';
import { freeBytes, generationOf, momentOut } from './restore-description.ts';
import { withOthers } from './restore-help.ts';
import { jobAlternates, sourceWarnings } from './restore-sources.ts';
import type { PlanOut, RestoreOutput } from './verbs/restore-schema.ts';
import type { World } from './world.ts';

const HEADROOM_BYTES = 64 * 1024 * 1024;
/** A running restore stops before it takes the last space from everyone else. */
const LEAST_FREE_BYTES = 32 * 1024 * 1024;
const SPACE_CHECK_MS = 1_000;

/** DISK_FULL unless the result and some more fit beside the output. */
export function checkSpace(plan: Pick<PlanOut, 'bytes_to_write' | 'bytes_to_read' | 'free_bytes' | 'output'>): void {
  const needed = Math.ceil((plan.bytes_to_write ?? plan.bytes_to_read) * 1.1) + HEADROOM_BYTES;
  const free = plan.free_bytes;
  if (free === undefined || free >= needed) return;
  throw new LitestreamError('DISK_FULL', `restoring to ${plan.output ?? 'the output'}: ${needed} bytes are needed and ${free} are free`, {
    details: { needed, free },
    hint: 'Free space there, or choose a directory on another file system.',
  });
}

/** Restores into a private directory, and gives the result its name when it is proven. */
export async function runPlanned(
  world: World,
  choice: Choice,
  {
    target,
    integrity,
    replanned,
  }: { readonly target: OutputTarget; readonly integrity: OutputRequest['integrity']; readonly replanned: boolean },
  job: JobContext,
): Promise<RestoreOutput> {
  const directory = await PrivateDirectory.create(target);
  try {
    const result = await runRestore(world, choice, { output: directory.file, integrity, mode: 0o600 }, job);
    job.signal.throwIfAborted();
    await directory.publish();
    return answer(world, choice, { ...result, output: target.path, replanned: wasReplanned(result) || replanned });
  } finally {
    await directory.remove();
  }
}

/** Restores to any path an operator named; the engine itself refuses or keeps what is there. Unplanned, the files are chosen anew from the same replicas; `isReplanned` is for the answer. */
export async function runForOperator(
  world: World,
  choice: Choice,
  request: OutputRequest,
  job: JobContext,
  { isPlanned = true, isReplanned = !isPlanned }: { readonly isPlanned?: boolean; readonly isReplanned?: boolean } = {},
): Promise<RestoreOutput> {
  const result = await runRestore(world, choice, request, job, isPlanned);
  return answer(world, choice, isReplanned ? { ...result, replanned: true } : result);
}

type AnyResult = RestoreResult | LegacyRestoreResult;

const wasReplanned = (result: AnyResult): boolean => 'replanned' in result && result.replanned;

async function runRestore(world: World, choice: Choice, request: OutputRequest, job: JobContext, isPlanned = true): Promise<AnyResult> {
  const full = new AbortController();
  let nextLook = 0;
  const onProgress = (progress: RestoreProgress) => {
    job.progress(toProgress(progress));
    if (world.clock.monotonic() < nextLook) return;
    nextLook = world.clock.monotonic() + SPACE_CHECK_MS;
    void freeBytes(request.output).then((free) => {
      if (free !== undefined && free < LEAST_FREE_BYTES) full.abort(diskFilled(request.output, free));
    });
  };
  const { asked, replica } = choice;
  const options = { signal: AbortSignal.any([job.signal, full.signal]), onProgress };
  const common = { ...request, store: replica.store };
  if (choice.format === 'ltx') {
    const others = jobAlternates(replica, choice);
    const { plan } = choice;
    // What was put together is planned there again: the job finds out itself who gives what.
    const isCombined = isPlanned && others.combine === true;
    const what = isCombined
      ? { target: { type: 'txid', txid: plan.reached.txid } as const }
      : { target: asked.target, ...(isPlanned ? { plan } : {}) };
    const release = holdChain(world, choice, plan.reached.txid);
    try {
      return await world.runJob('restore', { ...common, ...others, ...what }, options);
    } catch (error) {
      throw choice.isNamed ? withOthers(error, choice.entry, replica) : error;
    } finally {
      release();
    }
  }
  const identities = (replica.ageIdentities ?? []).map((secret) => secret.reveal());
  return world.runJob('restoreLegacy', { ...common, plan: choice.plan, identities }, options);
}

/** What is being restored must not expire meanwhile; offline there is nobody who could keep it. */
function holdChain(world: World, { entry, replica }: Choice, txid: TXID): () => void {
  const running = handleOf(world, entry)?.replicas.find(({ settings }) => settings.name === replica.name);
  return (running === undefined ? undefined : maintenanceOf(running)?.hold(txid)) ?? (() => {});
}

function diskFilled(output: string, free: number): LitestreamError {
  return new LitestreamError('DISK_FULL', `restoring to ${output}: only ${free} bytes are left on the disk`, {
    details: { free },
    hint: 'Free space there, or choose a directory on another file system.',
  });
}

export function toProgress({ phase, bytesRead, bytesTotal, pagesWritten, pagesTotal }: RestoreProgress): Progress {
  const message = { fetch: 'reading the backup', write: 'writing pages', check: 'checking the result' }[phase];
  if (phase === 'fetch') return { phase, done: bytesRead, total: bytesTotal, unit: 'bytes', message };
  return { phase, done: pagesWritten, ...(pagesTotal > 0 ? { total: pagesTotal } : {}), unit: 'pages', message };
}

function answer(world: World, choice: Choice, result: AnyResult & { readonly replanned?: boolean }): RestoreOutput {
  const { entry, replica } = choice;
  const warnings = [...choice.warnings, ...sourceWarnings('sources' in result ? result.sources : undefined, replica.name)];
  const { txid, wal_index } = momentOut(result.plan.reached);
  return {
    as_of: formatInstant(world.clock.now()),
    ...(warnings.length === 0 ? {} : { warnings }),
    mode: 'done',
    restored: {
      output: result.output,
      database: entry.settings.path,
      replica: replica.name,
      ...(txid === undefined ? {} : { txid }),
      ...(wal_index === undefined ? {} : { generation: generationOf(choice), wal_index }),
      time: formatInstant(result.time),
      size_bytes: result.sizeBytes,
      pages: result.pages,
      integrity_check: result.integrity,
      ...('checksum' in result ? { checksum: result.checksum } : {}),
      duration_ms: Math.round(result.durationMs),
      replanned: result.replanned === true,
      ...(result.replacedPath === undefined ? {} : { replaced: result.replacedPath }),
    },
    open_with: `sqlite3 -readonly ${shellWord(result.output)}`,
  };
}

const shellWord = (text: string): string => (/^[A-Za-z0-9_./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
