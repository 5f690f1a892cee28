/** Cards of long work: verify, and the jobs it becomes. */

import type { VerbOutput } from '../../control/control.ts';
import { defineCard } from '../card.ts';
import { bytesInWords, countOf, secondsInWords, shortName } from './words.ts';

type Job = NonNullable<VerbOutput<'job'>['job']>;

export const verify = defineCard({
  verb: 'verify',
  title: 'Verify a backup',
  description:
    'Proves that a backup restores: rebuilds it in temporary space, checks every checksum and the integrity, and compares the pages with the live database where there is one. A failed check is a result to read, not an error. Reads the whole backup, so it can cost time and download.',
  toolset: 'prove',
  idempotent: true,
  present: (result) => {
    const name = shortName(result.database);
    if (result.mode === 'running') {
      return {
        summary: `Verification of ${name} on ${shortName(result.replica)} is running.`,
        next:
          result.job_id === undefined
            ? []
            : [{ tool: 'litestream_job', arguments: { job_id: result.job_id, wait_seconds: 20 }, why: 'wait for the outcome' }],
      };
    }
    const at = result.txid === undefined ? '' : ` at ${result.txid}`;
    const failed = (result.checks ?? []).filter((check) => check.outcome !== 'passed').map((check) => `${check.name} ${check.outcome}`);
    const how = failed.length > 0 ? failed.join(', ') : `${countOf(result.checks?.length ?? 0, 'check')} passed`;
    const pages = result.pages_compared === undefined ? '' : `, ${countOf(result.pages_compared, 'page')} compared`;
    const kept = result.recorded === true ? ' The outcome is kept beside the replica.' : '';
    const read = result.bytes_read === undefined ? '' : `, ${bytesInWords(result.bytes_read)} read`;
    return {
      summary: `Backup of ${name} on ${shortName(result.replica)}${at}: ${result.outcome ?? 'inconclusive'}; ${how}${pages}${read}.${kept}`,
      next:
        result.outcome === 'failed'
          ? [{ tool: 'litestream_points', arguments: { path: result.database }, why: 'see which moments can still be restored' }]
          : [],
    };
  },
});

function describeJob(job: Job): string {
  const what = `${job.tool.replace('litestream_', '')}${job.database === undefined ? '' : ` of ${shortName(job.database)}`}`;
  if (job.state === 'failed') return `The ${what} failed (${job.error?.code ?? 'INTERNAL'}).`;
  const progress = job.progress;
  if (job.state !== 'running' || progress === undefined) return `The ${what} is ${job.state}.`;
  const share = progress.total === undefined || progress.total === 0 ? '' : `, ${Math.floor((100 * progress.done) / progress.total)} %`;
  return `The ${what} is running: ${progress.phase}${share}.`;
}

export const job = defineCard({
  verb: 'job',
  title: 'Job status',
  description:
    'Shows state, progress and result of long work such as a restore or a verification; without job_id the newest jobs of this caller. wait_seconds waits for the end before answering. Reads memory only; cheap.',
  toolset: 'core',
  idempotent: true,
  list: { field: 'jobs', paged: false },
  present: ({ job: one, jobs }) => {
    if (one === undefined) {
      const running = (jobs ?? []).filter((each) => each.state === 'running' || each.state === 'queued').length;
      return { summary: `${countOf(jobs?.length ?? 0, 'job')}, ${running} not ended.` };
    }
    const unfinished = one.state === 'running' || one.state === 'queued';
    return {
      summary: describeJob(one),
      next: unfinished ? [{ tool: 'litestream_job', arguments: { job_id: one.job_id, wait_seconds: 20 }, why: 'wait for the end' }] : [],
    };
  },
});

export const cancel = defineCard({
  verb: 'cancel',
  title: 'Cancel a job',
  description:
    'Stops a running job of this caller and removes what it had half written. A job that has ended stays as it is and the answer says so. Use litestream_job to find the job_id.',
  toolset: 'core',
  idempotent: true,
  present: ({ job: one, already_ended }) => ({
    summary: already_ended ? `The job had already ended: ${one.state}.` : `The job is ${one.state}${endedAfter(one)}.`,
  }),
});

function endedAfter({ started_at, ended_at }: Job): string {
  if (started_at === undefined || ended_at === undefined) return '';
  return ` after ${secondsInWords((Date.parse(ended_at) - Date.parse(started_at)) / 1_000)}`;
}
