/** Brings a missing database back from its best replica before replication starts. */

import { existsSync } from 'node:fs';
import { hasCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { LATEST } from '../engine/restore/target.ts';
import { formatTXID } from '../formats/ltx/txid.ts';
import { openReplica } from '../replica/open.ts';
import type { DatabaseEntry } from '../service/options.ts';
import { runJob } from '../workers/job-host.ts';

/** False when the file is there or no replica holds anything. Rejects when a replica cannot be asked: starting empty beside a backup would begin a second history. */
export async function restoreMissing({ settings, replicas }: DatabaseEntry, log: Logger, signal: AbortSignal): Promise<boolean> {
  if (existsSync(settings.path)) return false;
  const positions = await Promise.all(
    replicas.map(async ({ store }) => {
      const replica = await openReplica(store);
      try {
        return await replica.maxTXID(signal);
      } finally {
        await replica.close();
      }
    }),
  );
  const best = positions.reduce((most, position, index) => (position > (positions[most] ?? 0n) ? index : most), 0);
  const chosen = replicas[best];
  if (chosen === undefined || (positions[best] ?? 0n) === 0n) return false;
  try {
    const { txid, time } = await runJob(
      'restore',
      { store: chosen.store, target: LATEST, output: settings.path, integrity: 'quick' },
      { signal },
    );
    log.log('info', 'restored the missing database', {
      database: settings.name,
      replica: chosen.name,
      txid: formatTXID(txid),
      time: new Date(time).toISOString(),
    });
    return true;
  } catch (error) {
    if (hasCode(error, 'OUTPUT_EXISTS')) return false; // the application made it meanwhile
    throw error;
  }
}
