/** Metrics of requests to object stores: calls by type of store, requests by replica and price class. */

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { StoreOperation } from '../../storage/wrap/meter.ts';
import { classOf } from '../requests/ledger.ts';
import { labelled } from './labelled.ts';

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
    requests: new Counter({
      name: 'litestream_replica_requests_total',
      help: 'Requests as services charge them.',
      ...labelled(registry, 'db', 'replica', 'class'),
    }),
    traffic: new Counter({
      name: 'litestream_replica_traffic_bytes_total',
      help: 'Bytes of content that travelled.',
      ...labelled(registry, 'db', 'replica', 'direction'),
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
  of?: { readonly db: string; readonly replica: string },
): void {
  m.total.labels(replicaType, operation).inc();
  m.bytes.labels(replicaType, operation).inc(bytes);
  m.duration.labels(replicaType, operation).observe(durationMs / 1000);
  if (code !== undefined) m.errors.labels(replicaType, operation, code).inc();
  if (code === 'STORAGE_THROTTLED') m.throttled.labels(replicaType).inc();
  if (of === undefined) return;
  m.requests.labels(of.db, of.replica, classOf(operation)).inc(requests);
  if (bytes > 0) m.traffic.labels(of.db, of.replica, operation === 'PUT' ? 'sent' : 'received').inc(bytes);
}

export function observeRetry(m: StoreMetrics, type: string, operation: string): void {
  m.retries.labels(type, OPERATIONS[operation] ?? operation.toUpperCase()).inc();
}
