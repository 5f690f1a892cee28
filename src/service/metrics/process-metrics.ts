/** Metrics of the process that belong to no room below: the version, and those that only exist so that dashboards load. */

import { Gauge, type Registry } from 'prom-client';
import { labelled } from './labelled.ts';

export function processMetrics(registry: Registry, version: string): void {
  const info = { name: 'litestream_build_info', help: 'Always 1; the version is a label.' };
  new Gauge({ ...info, ...labelled(registry, 'version') }).labels(version).set(1);
  // Announced so that dashboards and alerts of the original load.
  new Gauge({
    name: 'litestream_l0_retention_files_total',
    help: 'Level-0 files by retention status.',
    ...labelled(registry, 'db', 'status'),
  });
}
