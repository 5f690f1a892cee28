/** Metrics of requests to object stores: calls by type of store, requests by replica and price class. */

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { StoreOperation } from '../../storage/wrap/meter.ts';
import { classOf, REQUEST_CLASSES } from '../requests/ledger.ts';
import { add, type ReplicaSeries } from './database-series.ts';
import { type Family, forEachReplica, forEachWord, wordsOf } from './family.ts';
import { labelled } from './labelled.ts';

const classes = wordsOf('class', REQUEST_CLASSES);
const directions = wordsOf('direction', ['sent', 'received']);

/** Of replicas. */
export const REQUEST_FAMILIES: readonly Family[] = [
  forEachReplica(
    { name: 'litestream_replica_requests_total', type: 'counter', help: 'Requests as services charge them.' },
    (lines, database, replica) => {
      const { requests } = replica;
      if (requests !== undefined) forEachWord(lines, database, replica, classes, (word) => requests[word]);
    },
  ),
  forEachReplica(
    { name: 'litestream_replica_traffic_bytes_total', type: 'counter', help: 'Bytes of content that travelled.' },
    (lines, database, replica) => {
      const { traffic } = replica;
      if (traffic !== undefined) forEachWord(lines, database, replica, directions, (word) => traffic[word]);
    },
  ),
];

/** Of the process, by type of store. */

export function storeMetrics(registry: Registry) {
  const operation = labelled(registry, 'replica_type', 'operation');
  return {
    total: new Counter({ name: 'litestream_replica_operation_total', help: 'Calls to object stores.', ...operation }),
    bytes: new Counter({ name: 'litestream_replica_operation_bytes', help: 'Bytes sent to and read from object stores.', ...operation }),
    duration: new Histogram({
      name: 'litestream_replica_operation_duration_seconds',
      help: 'Duration of calls to object stores.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60],
      ...operation,
    }),
    errors: new Counter({
      name: 'litestream_replica_operation_errors_total',
      help: 'Calls to object stores that failed.',
      ...labelled(registry, 'replica_type', 'operation', 'code'),
    }),
    retries: new Counter({ name: 'litestream_replica_retries_total', help: 'Calls to object stores that were repeated.', ...operation }),
    throttled: new Counter({
      name: 'litestream_replica_throttled_total',
      help: 'Calls that object stores refused for being too many.',
      ...labelled(registry, 'replica_type'),
    }),
    streams: new Gauge({
      name: 'litestream_replica_open_streams',
      help: 'Objects that are being read.',
      ...labelled(registry, 'replica_type'),
    }),
  };
}

/** Names of operations as wrappers call them, in the words of the metrics. */
const OPERATIONS: Readonly<Record<string, StoreOperation['operation']>> = {
  open: 'GET',
  put: 'PUT',
  list: 'LIST',
  stat: 'STAT',
  delete: 'DELETE',
};

type StoreMetrics = ReturnType<typeof storeMetrics>;

/** Counts a call, of the replica it belongs to if there is one. */
export function observeCall(
  m: StoreMetrics,
  { replicaType, operation, bytes, requests, durationMs, code }: StoreOperation,
  of: ReplicaSeries | undefined,
): void {
  m.total.labels(replicaType, operation).inc();
  m.bytes.labels(replicaType, operation).inc(bytes);
  m.duration.labels(replicaType, operation).observe(durationMs / 1000);
  if (code !== undefined) m.errors.labels(replicaType, operation, code).inc();
  if (code === 'STORAGE_THROTTLED') m.throttled.labels(replicaType).inc();
  if (of === undefined) return;
  of.requests = add(of.requests, classOf(operation), requests);
  if (bytes > 0) of.traffic = add(of.traffic, operation === 'PUT' ? 'sent' : 'received', bytes);
}

export function observeRetry(m: StoreMetrics, type: string, operation: string): void {
  m.retries.labels(type, OPERATIONS[operation] ?? operation.toUpperCase()).inc();
}
