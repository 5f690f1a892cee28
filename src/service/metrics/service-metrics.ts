/** Metrics of databases and their replicas as the service sees them: states, lag, positions. */

import type { ColdCount } from '../cold/support.ts';
import type { DatabaseState, DatabaseStatus, ReplicaStatus } from '../service.ts';
import type { DatabaseSeries, ReplicaSeries } from './database-series.ts';
import { type Family, forEachReplica, forEachWord, ofDatabases, ofReplicas, wordsOf } from './family.ts';
import { closing } from './lines.ts';

const REPLICA_STATES: readonly ReplicaStatus['state'][] = ['starting', 'replicating', 'degraded', 'failing', 'stopped'];
const STATES: readonly DatabaseState[] = ['waiting', 'starting', 'replicating', 'degraded', 'failing', 'stopped', 'disabled'];

const databaseStates = wordsOf('state', STATES);
const replicaStates = { required: statesOf('required'), 'best-effort': statesOf('best-effort') };

function statesOf(role: ReplicaStatus['role']) {
  return wordsOf('state', REPLICA_STATES, `,role="${role}"`);
}

export const SERVICE_FAMILIES: readonly Family[] = [
  {
    name: 'litestream_db_state',
    type: 'gauge',
    help: '1 for the state the database is in.',
    write: (lines, database) => {
      const { state } = database;
      if (state !== undefined) forEachWord(lines, database, undefined, databaseStates, (word) => (word === state ? 1 : 0));
    },
  },
  ofDatabases('gauge', 'litestream_db_unprotected_seconds', 'Age of the oldest change confirmed at no replica.', (of) =>
    of.state === undefined || of.state === 'disabled' ? undefined : of.unprotectedSeconds,
  ),
  ofDatabases(
    'gauge',
    'litestream_db_cold',
    '1 while the database is closed because nobody writes; absent where that is not allowed.',
    ({ isCold }) => (isCold === undefined ? undefined : Number(isCold)),
  ),
  cold('litestream_db_cold_wakes_total', 'How often the closed database was opened again.', 'wakes'),
  cold('litestream_db_cold_full_files_total', 'Wakes that had to write a full file.', 'full_files'),
  cold('litestream_db_cold_missed_events_total', 'Changes of the closed database that no file event told of.', 'missed'),
  ofReplicas(
    'gauge',
    'litestream_replica_lag_seconds',
    'Age of the oldest local change that is not at the replica; 0 when in sync.',
    told(({ lagSeconds }) => lagSeconds),
  ),
  forEachReplica(
    { name: 'litestream_replica_state', type: 'gauge', help: '1 for the state the replica is in.' },
    (lines, database, replica) => {
      const { state, role } = replica;
      if (state !== undefined) forEachWord(lines, database, replica, replicaStates[role], (word) => (word === state ? 1 : 0));
    },
  ),
  ofReplicas(
    'gauge',
    'litestream_replica_pending_bytes',
    'Bytes waiting for upload.',
    told(({ pendingBytes }) => pendingBytes),
  ),
  ofReplicas('gauge', 'litestream_replica_txid', 'Position known to be at the replica.', ({ txid }) => txid),
  ofReplicas(
    'gauge',
    'litestream_db_last_replica_time',
    'Unix time of the last upload or confirmation that the replica is in sync.',
    ({ confirmedAt }) => (confirmedAt === undefined ? undefined : confirmedAt / 1000),
  ),
  forEachReplica(
    { name: 'litestream_replica_upload_errors_total', type: 'counter', help: 'Upload rounds that failed.' },
    (lines, database, replica) => {
      if (replica.uploadErrors === undefined) return;
      for (const [code, count = 0] of Object.entries(replica.uploadErrors)) lines.add(database, replica, count, closing('code', code));
    },
  ),
];

function cold(name: string, help: string, what: ColdCount): Family {
  return ofDatabases('counter', name, help, (of) => of.cold?.[what]);
}

/** What is undefined of a replica that no status has told of. */
export function told(value: (of: ReplicaSeries) => number): (of: ReplicaSeries) => number | undefined {
  return (of) => (of.state === undefined ? undefined : value(of));
}

/** Takes over what is to be told of a database, and nothing else of its status. */
export function observeDatabase(database: DatabaseSeries, status: DatabaseStatus): void {
  database.state = status.state;
  database.unprotectedSeconds = status.unprotectedSeconds;
  database.isCold = status.cold === undefined ? undefined : status.engine.state === 'cold';
  for (const replica of status.replicas) observeReplica(database.replica(replica.name), replica);
}

function observeReplica(replica: ReplicaSeries, status: ReplicaStatus): void {
  replica.state = status.state;
  replica.role = status.role;
  replica.lagSeconds = status.lagSeconds;
  replica.pendingBytes = status.pendingBytes;
  replica.txid = status.txid === undefined ? undefined : Number(status.txid);
  replica.confirmedAt = status.lastConfirmedAt;
  replica.troubles = status.troubles?.length ?? 0;
  replica.proof = status.proof;
}
