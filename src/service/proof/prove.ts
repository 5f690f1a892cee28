/** One verification of a replica, on demand or by schedule: live pages, wait, rebuild, compare (decisions 25 and 61). */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { errorToData, hasCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { PageSums } from '../../engine/database-engine.ts';
import type { RunJob } from '../../engine/jobs.ts';
import type { DatabaseSettings, ReplicaSettings } from '../../engine/options.ts';
import { checkFreeSpace } from '../../engine/restore/output.ts';
import type { OnRestoreProgress } from '../../engine/restore/progress.ts';
import type { RestoreTarget } from '../../engine/restore/target.ts';
import type { Check } from '../../engine/verify/checks.ts';
import type { VerifyResult } from '../../engine/verify/verify.ts';
import { formatTXID } from '../../formats/ltx/txid.ts';
import type { Proof } from '../../replica/proof-record.ts';
import { limited } from '../limited.ts';
import { maintenanceOf } from '../maintenance/maintenance.ts';
import type { DatabaseHandle, ReplicaHandle } from '../service.ts';
import { reasonsOf } from './reasons.ts';

/** How long a verification waits for the live state to reach the replica, ms. */
const REPLICA_WAIT_MS = 30_000;

export interface ProveRequest {
  readonly database: DatabaseSettings;
  readonly replica: ReplicaSettings;
  /** Where the database is replicated by this process. */
  readonly live?: { readonly database: DatabaseHandle; readonly replica: ReplicaHandle };
  readonly target: RestoreTarget;
  readonly integrity: 'quick' | 'full';
  /** `live`: without a comparison nothing is proven. `auto`: compared where that is possible. */
  readonly compare: 'auto' | 'live' | 'none';
  /** An earlier proof; where its state is still the newest one, its pages stand in for the live ones. */
  readonly known?: Proof;
  /** Absolute, existing directory for the scratch files. */
  readonly scratch: string;
}

export interface ProveTools {
  readonly clock: Clock;
  readonly log: Logger;
  readonly runJob: RunJob;
  readonly signal: AbortSignal;
  readonly onProgress?: OnRestoreProgress;
  /** Version of this program. */
  readonly tool: string;
}

export interface Proven {
  readonly result: VerifyResult;
  readonly proof: Proof;
  /** Why the live pages were not compared, although they were to be. */
  readonly notCompared?: string;
}

/** Rejects when the replica could not be looked at; that it is bad, or that there is no room for a copy, is a result. */
export async function prove(request: ProveRequest, tools: ProveTools): Promise<Proven> {
  const { clock } = tools;
  const start = clock.monotonic();
  const { sums, notCompared } = await liveSums(request, tools);
  const found = await verify(request, sums, tools);
  const isUnproven = request.compare === 'live' && sums === undefined && found.outcome === 'passed';
  const result: VerifyResult = isUnproven ? { ...found, outcome: 'inconclusive', reason: 'the live pages could not be compared' } : found;
  const { txid, pageSet } = result;
  return {
    result,
    proof: {
      outcome: result.outcome,
      ...(txid === undefined ? {} : { txid }),
      at: clock.now(),
      durationMs: clock.monotonic() - start,
      reasons: reasonsOf(result),
      ...(pageSet === undefined ? {} : { pageSet }),
      compared: result.checks.some(({ name, outcome }) => name === 'pages' && outcome === 'passed'),
      tool: tools.tool,
    },
    ...(notCompared === undefined ? {} : { notCompared }),
  };
}

async function verify(request: ProveRequest, sums: PageSums | undefined, tools: ProveTools): Promise<VerifyResult> {
  const { replica, target, integrity, scratch, known } = request;
  const { signal, onProgress, clock } = tools;
  const start = clock.monotonic();
  const pages =
    known?.compared === true && known.pageSet !== undefined && known.txid !== undefined
      ? { ...known.pageSet, txid: known.txid }
      : undefined;
  const job = {
    target,
    scratch,
    integrity,
    store: replica.store,
    ...(sums === undefined ? {} : { sums }),
    ...(pages === undefined ? {} : { known: pages }),
  };
  const release = holdChain(request, sums);
  try {
    checkFreeSpace(join(scratch, 'copy'), sizeOf(request.database.path));
    return await tools.runJob('verify', job, { signal, ...(onProgress === undefined ? {} : { onProgress }) });
  } catch (error) {
    if (hasCode(error, 'IDENTITY_REQUIRED')) return unmade(`no identity: ${error.message}`, clock.monotonic() - start);
    if (!hasCode(error, 'DISK_FULL')) throw error;
    return unmade(`there is no room for a copy to check: ${error.message}`, clock.monotonic() - start);
  } finally {
    release();
  }
}

/** What is being verified must not expire meanwhile. */
function holdChain({ live }: ProveRequest, sums: PageSums | undefined): () => void {
  const txid = sums?.txid ?? live?.replica.position;
  return (live === undefined || txid === undefined ? undefined : maintenanceOf(live.replica)?.hold(txid)) ?? (() => {});
}

/** Looks at the path only: the database file is never opened here (decision 9). */
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const NAMES: readonly Check['name'][] = ['chain', 'checksums', 'integrity', 'pages'];

/** Nothing is known of the replica. */
function unmade(reason: string, durationMs: number): VerifyResult {
  return {
    outcome: 'inconclusive',
    checks: NAMES.map((name) => ({ name, outcome: 'inconclusive', detail: 'not reached' })),
    reason,
    filesRead: 0,
    bytesRead: 0,
    durationMs,
    shares: { read: 0, decode: 0, write: 0, fsync: 0, check: 0 },
  };
}

/** The live database's pages, once the replica has their position. */
async function liveSums(
  { live, target, compare, scratch }: ProveRequest,
  tools: ProveTools,
): Promise<{ readonly sums?: PageSums; readonly notCompared?: string }> {
  if (compare === 'none' || (compare === 'auto' && target.type !== 'latest')) return {};
  if (live === undefined)
    return compare === 'live' ? { notCompared: 'nothing replicates here, so there are no live pages to compare with' } : {};
  try {
    // Where it is further than what is captured here, its files of these numbers are of another history.
    if (live.replica.position === undefined) await waitForReplica(live.replica, tools);
    const { position } = live.replica;
    const sums = await live.database.pageSums(scratch);
    if (position === undefined) return { notCompared: 'the replica has not said where it is' };
    if (position > sums.txid) return { notCompared: `the replica was at TXID ${formatTXID(position)}, which is not of this history` };
    await waitForReplica(live.replica, tools);
    return { sums };
  } catch (error) {
    tools.signal.throwIfAborted();
    const { code, message } = errorToData(error);
    return { notCompared: `the live pages could not be read (${code}): ${message}` };
  }
}

/** A replica that lags is no reason to wait for ever: the verification then says that it ends before the live state. */
async function waitForReplica(replica: ReplicaHandle, { clock, log, signal }: ProveTools): Promise<void> {
  const limit = { clock, ms: REPLICA_WAIT_MS, what: `waiting for ${replica.settings.name}`, signal };
  try {
    await limited(limit, (call) => replica.flush(call));
  } catch (error) {
    signal.throwIfAborted();
    // Out of patience, or the upload failed: the status of the replica tells which.
    log.log('debug', 'verifying without waiting for the replica', { error: errorToData(error).message });
  }
}
