/** The daemon of the life model: a process of its own that replicates one database to replicas that may be unreliable, with everything that happens to them over time. */

import { systemClock } from '../../src/base/clock.ts';
import { errorToData } from '../../src/base/errors.ts';
import type { Logger } from '../../src/base/log.ts';
import { makeCold } from '../../src/compose/cold.ts';
import { COMPANIONS } from '../../src/compose/companions.ts';
import type { BacklogSettings, MaintenanceSettings, ReplicaSettings } from '../../src/engine/options.ts';
import { layoutFor } from '../../src/replica/layout.ts';
import { openReplica } from '../../src/replica/open.ts';
import { Replica } from '../../src/replica/replica.ts';
import { Metrics } from '../../src/service/metrics/metrics.ts';
import { proofCompanion } from '../../src/service/proof/companion.ts';
import { ProofLedgers } from '../../src/service/proof/ledger.ts';
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
  readonly replicas: readonly LifeReplica[];
  readonly seed: number;
  readonly maintenance: MaintenanceSettings;
  readonly minCheckpointPages: number;
  readonly backlog: BacklogSettings;
  /** Idle databases are closed. */
  readonly coldAfterMs?: number;
  /** Replicas are verified by schedule. */
  readonly proofIntervalMs?: number;
}

export interface LifeReplica {
  readonly name: string;
  readonly path: string;
  /** Share of operations that go wrong; 0: the store as it is. */
  readonly faults: number;
  /** Share of puts that are acknowledged and lost. */
  readonly lostPuts: number;
  /** Nothing gets through from one moment to another, ms after the start. */
  readonly away?: { readonly from: number; readonly to: number };
}

/** What it is asked to do. */
export type LifeRequest = 'stop' | 'reset';

/** What it says: how it stands, how a reset went, and its end. */
export type LifeMessage =
  | { readonly type: 'status'; readonly text: string; readonly inSync: boolean; readonly isCold: boolean; readonly txid: string }
  | { readonly type: 'reset'; readonly error?: string }
  | { readonly type: 'ended' };

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

const replica = ({ name, path }: LifeReplica): ReplicaSettings => ({
  name,
  store: { type: 'file', path },
  syncIntervalMs: 20,
  maxSyncFiles: 256,
  maintenance: options.maintenance,
  ...(options.proofIntervalMs === undefined ? {} : { proofIntervalMs: options.proofIntervalMs }),
});

/** The wrappers every replica has, with little patience, so that much of what goes wrong is seen above them. */
async function open({ name, store }: ReplicaSettings): Promise<Replica> {
  const found = options.replicas.find((one) => one.name === name);
  if (store.type !== 'file' || found === undefined || (found.faults === 0 && found.lostPuts === 0)) return openReplica(store);
  const { faults, lostPuts, away = { from: 0, to: 0 } } = found;
  const isAway = (): boolean => performance.now() > away.from && performance.now() < away.to;
  const unreliable = new UnreliableStore(new FileStore(store), new Random(options.seed), faults, { lostPuts, isAway });
  const patience = { attempts: 2, initialMs: 5, capMs: 20, jitter: 0.5, stallMs: 5000 };
  const retried = new RetryStore(unreliable, { settings: patience });
  return new Replica(new ResumableReadStore(retried, { settings: patience }), layoutFor('file'));
}

const pool = new EnginePool(log);
const cold = makeCold(log, new Metrics('life'));
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
        backlog: options.backlog,
        ...(options.coldAfterMs === undefined ? {} : { coldAfterMs: options.coldAfterMs }),
      },
      replicas: options.replicas.map(replica),
      restoreIfMissing: false,
    },
  ],
  {
    clock: systemClock,
    log,
    lagBudgetMs: 60_000,
    openEngine: (settings, { floor }, listener) =>
      pool.pick().open(settings, { floor, socketPath: undefined, sharedId: cold.sharedId }, listener),
    openReplica: open,
    restoreMissing: async () => false,
    onEngineEvent: () => {},
    onUploadFailed: () => {},
    scheduler: new WheelScheduler(systemClock, log),
    runJob,
    companions: [...COMPANIONS, proofCompanion(new ProofLedgers(systemClock, log, 'life'))],
    cold: cold.support,
    onCount: () => {},
  },
);
replication.start();

const timer = setInterval(async () => {
  const [database] = replication.databases;
  const status = await database?.status();
  if (status === undefined) return;
  const isCold = status.engine.state === 'cold';
  const inSync =
    status.state === 'replicating' &&
    status.engine.pendingWALBytes === 0 &&
    status.replicas.every(({ txid, troubles }) => txid === status.engine.txid && troubles === undefined);
  const text = JSON.stringify(status, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  process.send?.({ type: 'status', text, inSync, isCold, txid: String(status.engine.txid) } satisfies LifeMessage);
}, 50);

async function reset(): Promise<void> {
  const [database] = replication.databases;
  try {
    await database?.reset('the life model wants to');
    process.send?.({ type: 'reset' } satisfies LifeMessage);
  } catch (error) {
    const { code, message } = errorToData(error);
    process.send?.({ type: 'reset', error: `${code}: ${message}` } satisfies LifeMessage);
  }
}

async function stop(): Promise<void> {
  clearInterval(timer);
  await replication.stop({ deadlineMs: 20_000, retryMs: 50, signal: new AbortController().signal });
  await pool.close();
  await cold.close();
  process.send?.({ type: 'ended' } satisfies LifeMessage);
  process.disconnect();
}

process.on('message', (request: LifeRequest) => void (request === 'stop' ? stop() : reset()));
