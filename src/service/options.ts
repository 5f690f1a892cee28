/** What the set of databases is made from. */

import type { ErrorData } from '../base/errors.ts';
import type { DatabaseSettings, ReplicaSettings } from '../engine/options.ts';

export interface DatabaseEntry {
  readonly settings: DatabaseSettings;
  readonly replicas: readonly ReplicaSettings[];
  /** Restore from the best replica before replication starts when the file is missing. */
  readonly restoreIfMissing: boolean;
  /** The directory it is a member of, as `DIR/PATTERN`. */
  readonly memberOf?: string;
}

/**
 * A configured database that cannot be used as it is written, while others can: nothing is opened, captured or uploaded for it. Of a directory
 * the path is `DIR/PATTERN`; where a variable hides the path, it is the text of the file.
 */
export interface DisabledDatabase extends DatabaseEntry {
  readonly reason: ErrorData;
  /** Where it is configured, such as `dbs[1]`; absent when that was found out later. */
  readonly key?: string;
}
