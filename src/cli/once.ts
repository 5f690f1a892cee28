/** `replicate -once`: capture and upload everything there is, then leave. */

import { existsSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import type { Settings } from '../config/settings.ts';
import type { Control, VerbOutput } from '../control/control.ts';
import type { CallContext } from '../control/verb.ts';
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
  if (failures.length > 1)
    throw new LitestreamError('NOT_REPLICATED', `${failures.length} of ${rows.length} databases failed:\n${formatTable(rows).trimEnd()}`);
  if (failures.length === 1) throw failures[0];
  return formatTable([['database', 'status', 'txid'], ...rows]);
}

const POLL_MS = 250;

/** A sync that is given up when a replica has refused everything for `limitMs`; slow uploads may take as long as they need. */
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
    return await settleJob(control, limited, await control.call('sync', { path, wait: true, snapshot }, limited));
  } finally {
    over.abort();
    await watching;
  }
}

/** Resolves with the reason to give up, once there is one; rejects when the call's signal is aborted. */
async function watchReplicas(control: Control, path: string, call: CallContext, limitMs: number): Promise<LitestreamError> {
  let failingSince: number | undefined;
  for (;;) {
    await systemClock.sleep(POLL_MS, { signal: call.signal });
    const { databases } = await control.call('status', { path }, call);
    const failing = databases
      .flatMap(({ replicas }) => replicas)
      .find(({ state, last_error }) => state === 'failing' && last_error !== undefined);
    failingSince = failing === undefined ? undefined : (failingSince ?? systemClock.monotonic());
    if (failing === undefined || failingSince === undefined || systemClock.monotonic() - failingSince < limitMs) continue;
    const why = failing.last_error === undefined ? '' : `: ${failing.last_error.code}: ${failing.last_error.message}`;
    return new LitestreamError('NOT_REPLICATED', `replica ${failing.name} of ${path} does not take what is pending${why}`);
  }
}
