/** What a repair has found and done at one replica. */

import { z } from 'zod';
import { count, txidOut } from './fields.ts';

export const repairReport = z.strictObject({
  replica: z.string(),
  /** `repairable`: a dry run found copies for everything. `incomplete`: something could not be made good. */
  outcome: z.enum(['whole', 'repairable', 'repaired', 'incomplete']),
  checked: z.enum(['files', 'listing']),
  files: count,
  bytes_read: count,
  damaged: z.array(z.strictObject({ file: z.string(), code: z.string(), message: z.string() })),
  /** In a dry run what would be copied. */
  copied: z.array(z.strictObject({ file: z.string(), from: z.string(), replaced: z.boolean() })),
  left: z.array(z.strictObject({ file: z.string(), reason: z.string() })),
  /** Transactions that no file leads over any more. */
  lost: z.array(z.strictObject({ first: txidOut, last: txidOut })),
  /** The newest state needs a full image; `txid` when one was written. */
  snapshot: z.strictObject({ needed: z.literal(true), txid: txidOut.optional() }).optional(),
});

export type RepairReport = z.output<typeof repairReport>;
