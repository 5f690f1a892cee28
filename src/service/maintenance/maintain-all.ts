/** The maintenance that is due, once, for programs that do not stay: `replicate -once`. */

import type { DatabaseHandle } from '../service.ts';
import { maintenanceOf } from './maintenance.ts';

/** At every replica that asks for maintenance, one after the other. Rejects with the first failure, after all were tried. */
export async function maintainAll(databases: readonly DatabaseHandle[], signal: AbortSignal): Promise<void> {
  const failures: unknown[] = [];
  for (const replica of databases.flatMap((database) => database.replicas)) {
    await maintenanceOf(replica)
      ?.runAll(signal, { isForced: false })
      .catch((error: unknown) => failures.push(error));
    signal.throwIfAborted();
  }
  if (failures.length > 0) throw failures[0];
}
