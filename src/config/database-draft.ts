/** A database of the file on its way to its settings. */

import type { ReplicaSettings } from '../engine/options.ts';
import type { Place } from './findings.ts';
import type { DATABASE_KEYS } from './schema.ts';
import type { Values } from './section.ts';

/** What was written for it. */
export type DatabaseValues = Values<typeof DATABASE_KEYS>;

export interface PlacedReplica {
  readonly settings: ReplicaSettings;
  readonly at: Place;
}

export interface DatabaseDraft {
  readonly values: DatabaseValues;
  readonly path: string;
  readonly metaPath: string;
  readonly replicas: readonly PlacedReplica[];
  readonly at: Place;
  readonly autoRecover?: boolean;
  /** What may be buffered for it, by LITESTREAM_BUFFER_SIZE. */
  readonly bufferBytes?: number;
}
