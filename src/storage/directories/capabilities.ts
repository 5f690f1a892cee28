/** What stores can do that keep objects as files of a server. */

import type { StoreCapabilities } from '../object-store.ts';

/** Create-only and whole by what the server does with names; no version is compared, and times are those of files. */
export const FILE_SERVER_CAPABILITIES: StoreCapabilities = {
  timestamps: 'none',
  conditionalPut: true,
  conditionalReplace: false,
  rangeRead: true,
  atomicPut: true,
  maxDeleteBatch: 1000,
  needsSize: false,
};
