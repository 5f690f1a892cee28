/** Says before a restore that another writer went on with the replica, and where that lies which this database had. */

import { redact } from '../base/redact.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { replicaNameOf } from '../service/destinations.ts';
import { listAside, restoreAside } from '../service/local/aside-names.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { Warning } from './fields.ts';
import { formatInstant } from './moment.ts';

interface OwnReplica {
  readonly entry: DatabaseEntry;
  readonly replica: ReplicaSettings;
}

/** None for a replica that has always been written by this database alone, as far as is known on this machine. */
export async function otherWriterWarnings({ entry, replica }: OwnReplica): Promise<Warning[]> {
  // The newest one holds the state of all earlier ones, carried on.
  const kept = (await listAside(entry.settings.metaPath, replicaNameOf(replica.name))).at(-1);
  if (kept === undefined) return [];
  const message =
    `replica ${replica.name} was continued by another writer at ${formatInstant(kept.at)}: what it holds may be the content of another database; ` +
    `what this one had is kept in ${kept.path}: ${restoreAside(entry.settings, kept.path)}`;
  return [{ code: 'SECOND_WRITER', message: redact(message) }];
}
