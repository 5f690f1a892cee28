/** Every verb by name: the table the doors translate. */

import { cancel } from './verbs/cancel.ts';
import { check } from './verbs/check.ts';
import { databases } from './verbs/databases.ts';
import { generations } from './verbs/generations.ts';
import { info } from './verbs/info.ts';
import { job } from './verbs/job.ts';
import { ltx } from './verbs/ltx.ts';
import { points } from './verbs/points.ts';
import { rekey } from './verbs/rekey.ts';
import { repair } from './verbs/repair.ts';
import { reset } from './verbs/reset.ts';
import { restore } from './verbs/restore.ts';
import { restorePlan } from './verbs/restore-plan.ts';
import { snapshots } from './verbs/snapshots.ts';
import { status } from './verbs/status.ts';
import { sync } from './verbs/sync.ts';
import { undo } from './verbs/undo.ts';
import { verify } from './verbs/verify.ts';
import { version } from './verbs/version.ts';
import { wal } from './verbs/wal.ts';

export const VERBS = {
  info,
  databases,
  status,
  version,
  points,
  generations,
  snapshots,
  ltx,
  wal,
  restore_plan: restorePlan,
  restore,
  undo,
  verify,
  check,
  sync,
  repair,
  rekey,
  reset,
  job,
  cancel,
} as const;
