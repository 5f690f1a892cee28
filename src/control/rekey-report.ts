/** What a rekey has done at one replica. */

import { z } from 'zod';
import { count } from './fields.ts';

export const rekeyReport = z.strictObject({
  replica: z.string(),
  /** `plain`: it is not encrypted. `planned`: a dry run. `incomplete`: some files are left as they were. */
  outcome: z.enum(['plain', 'planned', 'rekeyed', 'incomplete']),
  recipients: count.describe('for how many the files are encrypted'),
  /** In a dry run what would be done. */
  files: count,
  bytes: count,
  done_before: count.describe('by an earlier run that was interrupted'),
  gone: count.describe('merged away or expired meanwhile'),
  left: z.array(z.strictObject({ file: z.string(), code: z.string(), message: z.string() })),
});

export type RekeyReport = z.output<typeof rekeyReport>;
