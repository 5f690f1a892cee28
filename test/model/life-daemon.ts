/** The daemon of the life model: a process of its own that replicates one database to a steady and an unreliable replica, with everything that happens to them over time. */

import { systemClock } from '../../src/base/clock.ts';
import type { Logger } from '../../src/base/log.ts';
import { COMPANIONS } from '../../src/compose/companions.ts';
import type { MaintenanceSettings, ReplicaSettings } from '../../src/engine/options.ts';
import { layoutFor } from '../../src/replica/layout.ts';
import { openReplica } from '../../src/replica/open.ts';
import { Replica } from '../../src/replica/replica.ts';
import { Replication } from '../../src/service/replication.ts';
import { WheelScheduler } from '../../src/service/schedule/wheel-scheduler.ts';
import { FileStore } from '../../src/storage/file/file.ts';
import { ResumableReadStore } from '../../src/storage/wrap/resumable-read.ts';
import { RetryStore } from '../../src/storage/wrap/retry.ts';
import { EnginePool } from '../../src/workers/engine-pool.ts';
import { runJob } from '../../src/workers/job-host.ts';
import { Random } from '../support/random.ts';
import { UnreliableStore } from '../support/unreliable-store.ts';

/** What the daemon is started with, as JSON in its first argument. */
export interface LifeOptions {
  readonly database: string;
  readonly metaPath: string;
  readonly steady: string;
  readonly flaky: string;
  readonly seed: number;
  /** Share of operations on the flaky replica that go wrong. */
  readonly faults: number;
  readonly maintenance: MaintenanceSettings;
  readonly minCheckpointPages: number;
}

/** What it says: when it stands in sync, and at its end. */
export type LifeMessage = { readonly type: 'status'; readonly text: string; readonly inSync: boolean } | { readonly type: 'ended' };

const options = JSON.parse(process.argv[2] ?? '') as LifeOptions;

const log: Logger = {
  log: (level, message, fields) => {
    if (level === 'error' || level === 'warn')
      console.log(
        level,
        message,
        JSON.stringify(fields, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
      );
  },
  with: () => log,
};

const replica = (name: 'steady' | 'flaky'): ReplicaSettings => ({
  name,
  store: { type: 'file', path: options[name] },
  syncIntervalMs: 20,
  maxSyncFiles: 256,
  maintenance: options.maintenance,
});

/** The wrappers every replica has, with little patience, so that much of what goes wrong is seen above them. */
async function open({ name, store }: ReplicaSettings): Promise<Replica> {
  if (name === 'steady') return openReplica(store);
  const unreliable = new UnreliableStore(new FileStore(store), new Random(options.seed), options.faults);
  const patience = { attempts: 2, initialMs: 5, capMs: 20, jitter: 0.5, stallMs: 5000 };
  const retried = new RetryStore(unreliable, { settings: patience });
  return new Replica(new ResumableReadStore(retried, { settings: patience }), layoutFor('file'));
}

const pool = new EnginePool(log);
const replication = await Replication.create(
  [
    {
      settings: {
        name: 'app',
        path: options.database,
        metaPath: options.metaPath,
        monitorIntervalMs: 20,
        pollIntervalMs: 100,
        checkpointIntervalMs: 300,
        minCheckpointPages: options.minCheckpointPages,
        truncatePages: 100_000,
        busyTimeoutMs: 1000,
        maxSyncWALBytes: 64 * 1024 * 1024,
        pageForm: 'block',
        backlog: { bytes: 64 * 1024 * 1024, ageMs: 60_000 },
      },
      replicas: [replica('steady'), replica('flaky')],
      restoreIfMissing: false,
    },
  ],
  {
    clock: systemClock,
    log,
    lagBudgetMs: 60_000,
    openEngine: (settings, { floor }, listener) => pool.pick().open(settings, { floor, socketPath: undefined }, listener),
    openReplica: open,
    restoreMissing: async () => false,
    onEngineEvent: () => {},
    onUploadFailed: () => {},
    scheduler: new WheelScheduler(systemClock, log),
    runJob,
    companions: COMPANIONS,
    onCount: () => {},
  },
);
replication.start();

const timer = setInterval(async () => {
  const [database] = replication.databases;
  const status = await database?.status();
  if (status === undefined) return;
  const inSync =
    status.state === 'replicating' &&
    status.engine.pendingWALBytes === 0 &&
    status.replicas.every(({ txid, troubles }) => txid === status.engine.txid && troubles === undefined);
  const text = JSON.stringify(status, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  process.send?.({ type: 'status', text, inSync } satisfies LifeMessage);
}, 50);

process.on('message', async () => {
  clearInterval(timer);
  await replication.stop({ deadlineMs: 20_000, retryMs: 50, signal: new AbortController().signal });
  await pool.close();
  process.send?.({ type: 'ended' } satisfies LifeMessage);
  process.disconnect();
});
