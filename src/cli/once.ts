/** `replicate -once`: capture and upload everything there is, then leave. */

import { existsSync } from 'node:fs';
import { LitestreamError } from '../base/errors.ts';
import type { Settings } from '../config/settings.ts';
import type { Control } from '../control/control.ts';
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
      const answer = await settleJob(control, call, await control.call('sync', { path: database.path, wait: true, snapshot }, call));
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
