/** What accompanies each replica of a running daemon. */

import { openReplica } from '../replica/open.ts';
import type { MakeCompanion } from '../service/companion.ts';
import { datedCompanion } from '../service/dated-companion.ts';
import { leaseCompanion } from '../service/lease-companion.ts';
import { makeMaintenance } from '../service/maintenance/maintenance.ts';
import { makeMirror } from '../service/mirror-companion.ts';
import { expireReplaced } from '../service/replaced-companion.ts';
import { watchReplica } from '../service/watchdog/companion.ts';

/** In this order they are made; each decides by the replica's settings whether it is needed. */
export const COMPANIONS: readonly MakeCompanion[] = [
  leaseCompanion,
  makeMaintenance,
  makeMirror,
  datedCompanion(openReplica),
  watchReplica,
  expireReplaced,
];
