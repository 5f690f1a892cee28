/** Labels and registry of a metric. */

import type { Registry } from 'prom-client';

export function labelled<T extends string>(registry: Registry, ...names: T[]): { labelNames: T[]; registers: Registry[] } {
  return { labelNames: names, registers: [registry] };
}
