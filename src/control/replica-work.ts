/** Verbs that rewrite the files of some replicas of one database, one replica after the other: repair and rekey. */

import { z } from 'zod';
import type { ReplicaSettings } from '../engine/options.ts';
import type { DatabaseEntry } from '../service/options.ts';
import { envelope, type Warning } from './fields.ts';
import type { JobContext } from './job-work.ts';
import { formatInstant } from './moment.ts';
import type { CallContext } from './verb.ts';
import { patienceOf, resultOf } from './waiting.ts';
import type { World } from './world.ts';

/** What such a verb answers: with a report of each replica, or with the job while it runs. */
export const replicaWorkOutput = <R extends z.ZodType>(report: R) =>
  z.strictObject({
    ...envelope,
    mode: z.enum(['running', 'done']),
    job_id: z.string().optional(),
    database: z.string(),
    dry_run: z.boolean(),
    replicas: z.array(report).optional(),
  });

export interface ReplicaWork<Report> {
  readonly verb: 'repair' | 'rekey';
  readonly entry: DatabaseEntry;
  readonly targets: readonly ReplicaSettings[];
  readonly isDryRun: boolean;
  readonly waitSeconds: number | undefined;
  readonly each: (target: ReplicaSettings, context: JobContext, warnings: Warning[]) => Promise<Report>;
}

export interface ReplicaWorkResult<Report> {
  as_of: string;
  warnings?: Warning[];
  mode: 'running' | 'done';
  job_id?: string;
  database: string;
  dry_run: boolean;
  replicas?: Report[];
}

/** Runs it as a job of its own, and waits as long as the call has patience. */
export async function runOnReplicas<Report>(
  world: World,
  { verb, entry, targets, isDryRun, waitSeconds, each }: ReplicaWork<Report>,
  call: CallContext,
): Promise<ReplicaWorkResult<Report>> {
  const database = entry.settings.name;
  const facts = { database, dry_run: isDryRun };
  const job = world.jobs.start<ReplicaWorkResult<Report>>({
    principal: call.caller.principal,
    verb,
    database,
    // The same for all of them: they write the same files.
    lane: `repair ${entry.settings.path}`,
    heavy: true,
    run: async (context) => {
      const warnings: Warning[] = [];
      const replicas: Report[] = [];
      for (const target of targets) replicas.push(await each(target, context, warnings));
      const told = warnings.length === 0 ? {} : { warnings };
      return { as_of: formatInstant(world.clock.now()), ...told, mode: 'done', ...facts, replicas };
    },
  });
  const result = await resultOf(world, job, { ms: patienceOf(waitSeconds, call), call });
  return result ?? { as_of: formatInstant(world.clock.now()), mode: 'running', job_id: job.id, ...facts };
}
