/** What a job thread has asked of a destination, on its way to whoever counts requests. Plain data: crosses threads. */

import type { StoreOperation } from '../storage/wrap/meter.ts';

export interface JobRequests {
  /** As `destinationKey`. */
  readonly destination: string;
  /** Of the store. */
  readonly type: string;
  readonly operations: readonly StoreOperation[];
  /** Names of repeated operations. */
  readonly retries: readonly string[];
}
