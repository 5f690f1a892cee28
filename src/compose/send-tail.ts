/** Captures and uploads what a database has not sent yet, before a forced restore replaces it (docs/engine.md, Undo). */

import { existsSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import { hasCode, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { openReplica } from '../replica/open.ts';
import { leaseCompanion } from '../service/companions/lease.ts';
import { limited } from '../service/limited.ts';
import type { DatabaseEntry } from '../service/options.ts';
import { Replication } from '../service/replication.ts';
import { WheelScheduler } from '../service/schedule/wheel-scheduler.ts';
import { isOwned } from '../sqlite/owner-lock.ts';
import { EnginePool } from '../workers/engine-pool.ts';
import { runJob } from '../workers/job-host.ts';
import { likeDatabase } from './file-modes.ts';
import { sealingOf } from './sealing.ts';

/** How long all of it may take, ms. */
const LIMIT_MS = 30_000;
const CLOSE_LIMIT_MS = 5_000;
const POLL_MS = 100;

/**
 * Resolves when every replica that counts has all there is; rejects with what stood in the way, at the latest after 30 s. Nothing runs any
 * more when it settles. DB_OWNED, before anything is tried or logged, while another process replicates the database. A database without local state, or that is not there, has never been replicated from here: nothing is done.
 */
export async function sendTail(entry: DatabaseEntry, log: Logger, signal: AbortSignal): Promise<void> {
  const { path, metaPath } = entry.settings;
  if (!existsSync(path) || !existsSync(metaPath) || entry.replicas.length === 0) return;
  if (isOwned(metaPath)) {
    throw new LitestreamError('DB_OWNED', `sending what ${path} has not sent yet: another process replicates it`, {
      hint: 'Stop that process first, or restore to another path.',
    });
  }
  const pool = new EnginePool(log);
  const replication = await Replication.create([{ ...entry, restoreIfMissing: false }], optionsOf(pool, log));
  try {
    await limited({ clock: systemClock, ms: LIMIT_MS, what: `sending what ${path} has not sent yet`, signal }, (call) =>
      captureAndSend(replication, call),
    );
  } finally {
    await replication.stop({ deadlineMs: 0, retryMs: 0, signal: AbortSignal.timeout(CLOSE_LIMIT_MS) });
    await pool.close();
  }
}

async function captureAndSend(replication: Replication, signal: AbortSignal): Promise<void> {
  replication.start();
  await replication.settle(LIMIT_MS, signal);
  for (const database of replication.databases) {
    while (true) {
      try {
        await database.sync({ wait: true, signal });
        break;
      } catch (error) {
        if (!hasCode(error, 'DB_NOT_READY')) throw error;
        const { error: standing } = await database.status();
        if (standing !== undefined) throw error;
        await systemClock.sleep(POLL_MS, { signal });
      }
    }
  }
}

function optionsOf(pool: EnginePool, log: Logger): Parameters<typeof Replication.create>[1] {
  return {
    clock: systemClock,
    log,
    lagBudgetMs: Number.POSITIVE_INFINITY,
    openEngine: (database, { floor }, listener) => pool.pick().open(database, { floor, socketPath: undefined }, listener),
    openReplica: ({ store, name }, { path, metaPath }) =>
      openReplica(likeDatabase(store, path), { sealing: sealingOf({ name }, { metaPath }) }),
    restoreMissing: async () => false,
    onEngineEvent: () => {},
    onUploadFailed: () => {},
    onCount: () => {},
    scheduler: new WheelScheduler(systemClock, log),
    runJob,
    // Nothing is merged, deleted or proven on the way; but nothing is written without the lease.
    companions: [leaseCompanion],
  };
}
