/** `replicate -once`: capture and upload everything there is, then leave. */

import { existsSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import { ERROR_CODES, type ErrorCode, hasCode, LitestreamError } from '../base/errors.ts';
import type { Settings } from '../config/settings.ts';
import type { Control, VerbOutput } from '../control/control.ts';
import type { CallContext } from '../control/verb.ts';
import { disabledError } from '../service/unusable.ts';
import { settleJob } from './settle-job.ts';
import { settleDatabases } from './settling.ts';
import { formatTable, printable } from './table.ts';

const START_LIMIT_MS = 60_000;

/**
 * Syncs every database to every replica, each tried even when another failed; `snapshot` also writes a full image.
 * Resolves with a report; throws the first failure when all have been tried. DB_NOT_FOUND for a file that is not there.
 */
export async function runOnce(control: Control, settings: Settings, call: CallContext, snapshot: boolean): Promise<string> {
  await settleDatabases(control, { signal: call.signal, limitMs: START_LIMIT_MS });
  const rows: string[][] = [];
  const failures: unknown[] = [];
  for (const { settings: database } of settings.databases) {
    try {
      if (!existsSync(database.path)) throw new LitestreamError('DB_NOT_FOUND', `there is no database ${database.path}`);
      const answer = await syncWhileUseful(control, database.path, call, snapshot, settings.shutdown.timeoutMs);
      rows.push([printable(database.path), answer.status ?? 'synced', answer.txid ?? '-']);
    } catch (error) {
      call.signal.throwIfAborted();
      failures.push(error);
      rows.push([printable(database.path), 'failed', error instanceof Error ? printable(error.message) : '-']);
    }
  }
  for (const disabled of settings.disabled ?? []) {
    failures.push(disabledError(disabled));
    rows.push([printable(disabled.settings.path), 'disabled', printable(disabled.reason.message)]);
  }
  if (failures.length > 1)
    throw new LitestreamError('NOT_REPLICATED', `${failures.length} of ${rows.length} databases failed:\n${formatTable(rows).trimEnd()}`);
  if (failures.length === 1) throw failures[0];
  return formatTable([['database', 'status', 'txid'], ...rows]);
}

const POLL_MS = 250;

/**
 * A sync that is given up when a replica has failed for `limitMs`, or at once when nothing can be captured before a person has changed
 * something there; slow uploads may take as long as they need.
 */
async function syncWhileUseful(
  control: Control,
  path: string,
  call: CallContext,
  snapshot: boolean,
  limitMs: number,
): Promise<VerbOutput<'sync'>> {
  const over = new AbortController();
  const signal = AbortSignal.any([call.signal, over.signal]);
  const watching = watchReplicas(control, path, { ...call, signal }, limitMs).then(
    (error) => over.abort(error),
    () => {},
  );
  try {
    const limited = { ...call, signal };
    const deadline = systemClock.monotonic() + limitMs;
    for (;;) {
      try {
        return await settleJob(control, limited, await control.call('sync', { path, wait: true, snapshot }, limited));
      } catch (error) {
        if (!hasCode(error, 'DB_NOT_READY') || !(await mayBegin(control, path, limited, deadline))) throw error;
        await systemClock.sleep(POLL_MS, { signal });
      }
    }
  } finally {
    over.abort();
    await watching;
  }
}

/**
 * True when nothing can be captured yet and that may pass by itself before `deadline` (monotonic ms). NOT_REPLICATED when it is up to a
 * replica that refuses, or that has failed until then.
 */
async function mayBegin(control: Control, path: string, call: CallContext, deadline: number): Promise<boolean> {
  const { databases } = await control.call('status', { path }, call);
  const isLate = systemClock.monotonic() >= deadline;
  const failing = databases.flatMap(counting).filter(isFailing);
  const hopeless = failing.find((replica) => isLate || isHopeless(replica));
  if (hopeless !== undefined) throw giveUp(path, hopeless);
  return failing.length > 0 || (!isLate && databases.some(({ state }) => state === 'starting'));
}

/** Resolves with the reason to give up, once there is one; rejects when the call's signal is aborted. */
async function watchReplicas(control: Control, path: string, call: CallContext, limitMs: number): Promise<LitestreamError> {
  let failingSince: number | undefined;
  for (;;) {
    await systemClock.sleep(POLL_MS, { signal: call.signal });
    const { databases } = await control.call('status', { path }, call);
    const failing = databases.flatMap(counting).filter(isFailing);
    const [first] = failing;
    failingSince = first === undefined ? undefined : (failingSince ?? systemClock.monotonic());
    if (first === undefined || failingSince === undefined) continue;
    const unanswered = failing.find(({ last_error }) => last_error?.never_answered === true);
    if (unanswered !== undefined || systemClock.monotonic() - failingSince >= limitMs) return giveUp(path, unanswered ?? first);
  }
}

type ReplicaRow = VerbOutput<'status'>['databases'][number]['replicas'][number];

/** Best-effort replicas are not waited for. */
function counting({ replicas }: VerbOutput<'status'>['databases'][number]): ReplicaRow[] {
  const required = replicas.filter(({ role }) => role !== 'best-effort');
  return required.length > 0 ? required : replicas;
}

const isFailing = ({ state, last_error }: ReplicaRow): boolean => state === 'failing' && last_error !== undefined;

/** Only a person can make the same call succeed. */
function isRefusal(code: string | undefined): boolean {
  if (code === undefined || !Object.hasOwn(ERROR_CODES, code)) return false;
  const { disposition } = ERROR_CODES[code as ErrorCode];
  return disposition === 'refuse' || disposition === 'fatal';
}

/** Waiting is of no use: it refuses, or has been asked for long enough by a process that it has never answered. */
const isHopeless = ({ last_error: last }: ReplicaRow): boolean => last?.never_answered === true || isRefusal(last?.code);

function giveUp(path: string, { name, last_error: last }: ReplicaRow): LitestreamError {
  const why = last === undefined ? '' : `: ${last.code}: ${last.message}`;
  return new LitestreamError('NOT_REPLICATED', `replica ${name} of ${path} does not take what is pending${why}`, {
    ...(last?.hint === undefined ? {} : { hint: last.hint }),
  });
}
