/** A job as its owner sees it. */

import type { Job } from './job-work.ts';
import { formatInstant } from './moment.ts';
import type { JobOut } from './verbs/job-schema.ts';

export function describeJob(job: Job): JobOut {
  const { progress, startedAt, endedAt, result, error } = job;
  return {
    job_id: job.id,
    tool: `litestream_${job.spec.verb}`,
    database: job.spec.database,
    state: job.state,
    ...(progress === undefined ? {} : { progress: { ...progress } }),
    created_at: formatInstant(job.createdAt),
    ...(startedAt === undefined ? {} : { started_at: formatInstant(startedAt) }),
    ...(endedAt === undefined ? {} : { ended_at: formatInstant(endedAt) }),
    ...(typeof result === 'object' && result !== null ? { result: { ...result } } : {}),
    ...(error === undefined
      ? {}
      : {
          error: {
            code: error.code,
            message: error.message,
            ...(error.hint === undefined ? {} : { hint: error.hint }),
            ...(error.details === undefined ? {} : { details: { ...error.details } }),
          },
        }),
  };
}
