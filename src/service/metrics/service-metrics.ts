/** Metrics of databases and their replicas as the service sees them: states, lag, positions. */

import { Counter, Gauge, type Registry } from 'prom-client';
import type { DatabaseState, DatabaseStatus, ReplicaStatus } from '../service.ts';
import { labelled } from './labelled.ts';

const REPLICA_STATES: readonly ReplicaStatus['state'][] = ['starting', 'replicating', 'degraded', 'failing', 'stopped'];
const STATES: readonly DatabaseState[] = ['waiting', 'starting', 'replicating', 'degraded', 'failing', 'stopped'];

export function serviceMetrics(registry: Registry) {
  const replica = labelled(registry, 'db', 'replica');
  return {
    state: new Gauge({ name: 'litestream_db_state', help: '1 for the state the database is in.', ...labelled(registry, 'db', 'state') }),
    unprotected: new Gauge({
      name: 'litestream_db_unprotected_seconds',
      help: 'Age of the oldest change confirmed at no replica.',
      ...labelled(registry, 'db'),
    }),
    isCold: new Gauge({
      name: 'litestream_db_cold',
      help: '1 while the database is closed because nobody writes; absent where that is not allowed.',
      ...labelled(registry, 'db'),
    }),
    cold: {
      wakes: new Counter({
        name: 'litestream_db_cold_wakes_total',
        help: 'How often the closed database was opened again.',
        ...labelled(registry, 'db'),
      }),
      full_files: new Counter({
        name: 'litestream_db_cold_full_files_total',
        help: 'Wakes that had to write a full file.',
        ...labelled(registry, 'db'),
      }),
      missed: new Counter({
        name: 'litestream_db_cold_missed_events_total',
        help: 'Changes of the closed database that no file event told of.',
        ...labelled(registry, 'db'),
      }),
    },
    lag: new Gauge({
      name: 'litestream_replica_lag_seconds',
      help: 'Age of the oldest local change that is not at the replica; 0 when in sync.',
      ...replica,
    }),
    replicaState: new Gauge({
      name: 'litestream_replica_state',
      help: '1 for the state the replica is in.',
      ...labelled(registry, 'db', 'replica', 'role', 'state'),
    }),
    pendingBytes: new Gauge({ name: 'litestream_replica_pending_bytes', help: 'Bytes waiting for upload.', ...replica }),
    replicaTXID: new Gauge({ name: 'litestream_replica_txid', help: 'Position known to be at the replica.', ...replica }),
    lastReplicaTime: new Gauge({
      name: 'litestream_db_last_replica_time',
      help: 'Unix time of the last upload or confirmation that the replica is in sync.',
      ...replica,
    }),
    uploadErrors: new Counter({
      name: 'litestream_replica_upload_errors_total',
      help: 'Upload rounds that failed.',
      ...labelled(registry, 'db', 'replica', 'code'),
    }),
  };
}

/** Sets the gauges of the database at `db` (absolute path). */
export function observeDatabase(m: ReturnType<typeof serviceMetrics>, db: string, status: DatabaseStatus): void {
  for (const state of STATES) m.state.labels(db, state).set(status.state === state ? 1 : 0);
  m.unprotected.labels(db).set(status.unprotectedSeconds);
  if (status.cold !== undefined) m.isCold.labels(db).set(status.engine.state === 'cold' ? 1 : 0);
  for (const replica of status.replicas) {
    for (const state of REPLICA_STATES) m.replicaState.labels(db, replica.name, replica.role, state).set(replica.state === state ? 1 : 0);
    m.lag.labels(db, replica.name).set(replica.lagSeconds);
    m.pendingBytes.labels(db, replica.name).set(replica.pendingBytes);
    if (replica.txid !== undefined) m.replicaTXID.labels(db, replica.name).set(Number(replica.txid));
    if (replica.lastConfirmedAt !== undefined) m.lastReplicaTime.labels(db, replica.name).set(replica.lastConfirmedAt / 1000);
  }
}
