/** Brings a missing database back from its best replica before replication starts. */

import { existsSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import { hasCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { LATEST } from '../engine/restore/target.ts';
import { formatTXID } from '../formats/ltx/txid.ts';
import { openReplica } from '../replica/open.ts';
import { limited } from '../service/limited.ts';
import type { DatabaseEntry } from '../service/options.ts';
import { runJob } from '../workers/job-host.ts';

/** How long a replica may take to say what it holds, ms. */
const ANSWER_LIMIT = 60_000;

/** False when the file is there or no replica holds anything. Rejects when a replica cannot be asked: starting empty beside a backup would begin a second history. */
export async function restoreMissing({ settings, replicas }: DatabaseEntry, log: Logger, signal: AbortSignal): Promise<boolean> {
  if (existsSync(settings.path)) return false;
  const positions = await Promise.all(
    replicas.map(async ({ store }) => {
      const replica = await openReplica(store);
      try {
        const what = `asking ${replica.store.destination} for its position`;
        return await limited({ clock: systemClock, ms: ANSWER_LIMIT, what, signal }, (call) => replica.maxTXID(call));
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
    // The application made it meanwhile. Left-over side files of the missing one are another matter: beside them nothing may be restored.
    if (hasCode(error, 'OUTPUT_EXISTS') && existsSync(settings.path)) return false;
    throw error;
  }
}
