/** Waits for work that a verb answered with a job. */

import { ERROR_CODES, type ErrorCode, errorFromData, LitestreamError } from '../base/errors.ts';
import type { Control } from '../control/control.ts';
import type { CallContext } from '../control/verb.ts';
import type { JobOut } from '../control/verbs/job-schema.ts';

interface Answer {
  readonly mode: string;
  readonly job_id?: string | undefined;
}

const WAIT_SECONDS = 5;

/** The verb's final answer. An aborted call cancels the job. */
export async function settleJob<T extends Answer>(control: Control, call: CallContext, answer: T): Promise<T> {
  const id = answer.job_id;
  if (answer.mode !== 'running' || id === undefined) return answer;
  const cancel = () => {
    // Best effort: the abort itself is what the person sees.
    control.call('cancel', { job_id: id }, { ...call, signal: new AbortController().signal }).catch(() => {});
  };
  call.signal.addEventListener('abort', cancel, { once: true });
  try {
    for (;;) {
      call.signal.throwIfAborted();
      const { job } = await control.call('job', { job_id: id, wait_seconds: WAIT_SECONDS }, call);
      if (job === undefined) throw new LitestreamError('INTERNAL', `job ${id} is not known any more`);
      if (job.progress !== undefined) call.progress?.(withoutUndefined(job.progress));
      if (job.state === 'succeeded') return job.result as unknown as T;
      if (job.state !== 'queued' && job.state !== 'running') throw jobError(job);
    }
  } finally {
    call.signal.removeEventListener('abort', cancel);
  }
}

function withoutUndefined({ total, ...rest }: NonNullable<JobOut['progress']>) {
  return total === undefined ? rest : { ...rest, total };
}

function jobError(job: JobOut): LitestreamError {
  const { error } = job;
  if (error === undefined) return new LitestreamError('CANCELLED', `job ${job.job_id} was ${job.state}`);
  const code = (Object.hasOwn(ERROR_CODES, error.code) ? error.code : 'INTERNAL') as ErrorCode;
  return errorFromData({
    code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.details === undefined ? {} : { details: error.details }),
  });
}
