/** What accompanies each replica of a running daemon. */

import { openReplica } from '../replica/open.ts';
import { endAbandoned } from '../service/companions/abandoned-uploads.ts';
import type { MakeCompanion } from '../service/companions/companion.ts';
import { datedCompanion } from '../service/companions/dated.ts';
import { encryptionCompanion } from '../service/companions/encryption.ts';
import { leaseCompanion } from '../service/companions/lease.ts';
import { makeMirror } from '../service/companions/mirror.ts';
import { expireReplaced } from '../service/companions/replaced.ts';
import { makeMaintenance } from '../service/maintenance/maintenance.ts';
import { watchReplica } from '../service/watchdog/companion.ts';

/** In this order they are made; each decides by the replica's settings whether it is needed. */
export const COMPANIONS: readonly MakeCompanion[] = [
  leaseCompanion,
  encryptionCompanion,
  makeMaintenance,
  makeMirror,
  datedCompanion(openReplica),
  watchReplica,
  expireReplaced,
  endAbandoned,
];
