/** Removes the series of databases that are not there any more. */

import type { Registry } from 'prom-client';

/** Every series with a label `db` that is not among `present`. */
export async function sweepDatabases(registry: Registry, present: ReadonlySet<string>): Promise<void> {
  for (const { name, values } of await registry.getMetricsAsJSON()) {
    const metric = registry.getSingleMetric(name);
    for (const { labels } of values) {
      const { le: _, ...own } = labels as Readonly<Record<string, string | number>>;
      if (typeof own.db === 'string' && !present.has(own.db)) metric?.remove(own);
    }
  }
}
