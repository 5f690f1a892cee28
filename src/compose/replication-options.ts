/** What the service of a daemon works with: engines of the pool, replicas whose requests are counted, jobs, companions. */

import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Settings } from '../config/settings.ts';
import { openReplica } from '../replica/open.ts';
import type { Metrics } from '../service/metrics/metrics.ts';
import { proofCompanion } from '../service/proof/companion.ts';
import type { ProofLedgers } from '../service/proof/ledger.ts';
import type { Replication } from '../service/replication.ts';
import { WheelScheduler } from '../service/schedule/wheel-scheduler.ts';
import type { EnginePool } from '../workers/engine-pool.ts';
import type { Cold } from './cold.ts';
import { COMPANIONS } from './companions.ts';
import { likeDatabase } from './file-modes.ts';
import type { CountedRequests } from './requests.ts';
import { restoreMissing } from './restore-missing.ts';
import { sealingOf } from './sealing.ts';

export interface ReplicationParts {
  readonly settings: Settings;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly pool: EnginePool;
  /** Where the private socket will be. */
  readonly socketPath: string;
  readonly proofs: ProofLedgers;
  readonly cold: Cold;
  readonly requests: CountedRequests;
}

export function replicationOptions(parts: ReplicationParts): Parameters<typeof Replication.create>[1] {
  const { settings, log, metrics, pool, socketPath, proofs, cold, requests } = parts;
  return {
    clock: systemClock,
    log,
    lagBudgetMs: settings.lagBudgetMs,
    strict: settings.strict,
    ...(settings.disabled === undefined ? {} : { disabled: settings.disabled }),
    openEngine: (database, { floor }, listener) => pool.pick().open(database, { floor, socketPath, sharedId: cold.sharedId }, listener),
    openReplica: ({ store, name }, { path, metaPath }) =>
      openReplica(likeDatabase(store, path), {
        log: log.with({ db: path, replica: name }),
        destinationLog: log,
        sealing: sealingOf({ name }, { metaPath }),
        ...requests.book.counting(path, name, store),
      }),
    restoreMissing: (entry, abort) => restoreMissing(entry, { log, requests, signal: abort }),
    onEngineEvent: (path, event) => metrics.engineEvent(path, event),
    onUploadFailed: (path, replica, code) => metrics.uploadFailed(path, replica, code),
    onRemoved: (path) => {
      requests.book.forget(path);
      metrics.databaseRemoved();
    },
    scheduler: new WheelScheduler(systemClock, log),
    runJob: requests.runJob,
    cold: cold.support,
    companions: [...COMPANIONS, proofCompanion(proofs)],
    onCount: (path, replica, what, amount) => metrics.count(path, replica, what, amount),
  };
}
