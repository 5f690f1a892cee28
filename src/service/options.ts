/** What the set of databases is made from. */

import type { DatabaseSettings, ReplicaSettings } from '../engine/options.ts';

export interface DatabaseEntry {
  readonly settings: DatabaseSettings;
  readonly replicas: readonly ReplicaSettings[];
  /** Restore from the best replica before replication starts when the file is missing. */
  readonly restoreIfMissing: boolean;
  /** The directory it is a member of, as `DIR/PATTERN`. */
  readonly memberOf?: string;
}
