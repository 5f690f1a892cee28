/** What verbs work on. */

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { ReplicationService } from '../service/service.ts';
import type { Jobs } from './jobs.ts';
import type { RestoreGateSettings } from './options.ts';
import type { Plans } from './plans.ts';

export interface World {
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Every configured database; the running service holds the same ones. */
  readonly entries: readonly DatabaseEntry[];
  /** Absent offline. */
  readonly service: ReplicationService | undefined;
  readonly gate: RestoreGateSettings;
  /** Files no restore may touch: configuration, tokens, audit log (mcp.md §9.4). */
  readonly protectedPaths: readonly string[];
  readonly jobs: Jobs;
  readonly plans: Plans;
}
