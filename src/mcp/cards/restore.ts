/** Cards of planning and carrying out a restore: one shape, two tools. */

import type { VerbOutput } from '../../control/control.ts';
import { defineCard, type PresentContext, type Presented } from '../card.ts';
import { bytesInWords, countOf, secondsInWords, shortName } from './words.ts';

type RestoreResult = VerbOutput<'restore'>;

const OPERATOR_ONLY_OUTPUT = ['plan.file_list'];
const OLD_NAMES = ['o', 'if_db_not_exists', 'if_replica_exists'];

function presentRestore(result: RestoreResult, { caller }: PresentContext): Presented {
  switch (result.mode) {
    case 'plan':
      return presentPlan(result, caller.scopes.includes('restore') && !caller.readOnly);
    case 'running':
      return {
        summary: `The restore${result.plan === undefined ? '' : ` of ${shortName(result.plan.database)}`} is running; ask litestream_job how far it is.`,
        next:
          result.job_id === undefined
            ? []
            : [{ tool: 'litestream_job', arguments: { job_id: result.job_id, wait_seconds: 20 }, why: 'wait for the result' }],
      };
    case 'done':
      return presentDone(result);
    case 'nothing_to_do':
      return { summary: `Nothing was to do${result.reason === undefined ? '' : `: ${result.reason}`}.` };
  }
}

function presentPlan({ plan, execute }: RestoreResult, mayExecute: boolean): Presented {
  if (plan === undefined) return { summary: 'Plan only, nothing written.' };
  const short =
    plan.short_by_seconds === undefined || plan.short_by_seconds === 0
      ? ''
      : ` (${secondsInWords(plan.short_by_seconds)} before the moment asked)`;
  const output = plan.output === undefined ? '' : ` into ${plan.output}`;
  const size = `${countOf(plan.files, 'file')}, ${bytesInWords(plan.bytes_to_read)}`;
  const summary = `Plan only, nothing written: ${shortName(plan.database)} as of ${plan.reached.time}${short}${output}; ${size}.`;
  if (plan.plan_id === undefined || !mayExecute || execute?.allowed === false) return { summary };
  return {
    summary,
    next: [{ tool: 'litestream_restore', arguments: { plan_id: plan.plan_id }, why: 'once the person agrees to this plan' }],
  };
}

function presentDone({ restored }: RestoreResult): Presented {
  if (restored === undefined) return { summary: 'The restore is done.' };
  const check = restored.integrity_check === 'ok' ? 'integrity check ok' : 'integrity check skipped';
  return {
    summary: `Restored ${shortName(restored.database)} as of ${restored.time} into ${restored.output}; ${check}. The live database was not touched.`,
  };
}

export const restorePlan = defineCard({
  verb: 'restore_plan',
  title: 'Plan a restore',
  description:
    'Says exactly what a restore would produce: the moment reached, the file it would write, its size and what it leaves out. Writes nothing. Give timestamp or txid, or neither for the newest state. The plan_id in the answer is what litestream_restore carries out. Reads listings only; cheap.',
  toolset: 'core',
  idempotent: true,
  hiddenInput: OLD_NAMES,
  withoutOutput: OPERATOR_ONLY_OUTPUT,
  present: presentRestore,
});

export const restore = defineCard({
  verb: 'restore',
  title: 'Restore to a new file',
  description:
    'Carries out one restore plan: writes the past state into a new file, checks it, and never touches a live database or an existing file. Without plan_id it only plans, like litestream_restore_plan. Downloads the backup; long restores go on as a job that litestream_job follows.',
  toolset: 'core',
  named: true,
  idempotent: false,
  hiddenInput: OLD_NAMES,
  withoutInput: ['force', 'dry_run'],
  withoutOutput: OPERATOR_ONLY_OUTPUT,
  effectOf: (args) => (args.plan_id === undefined ? 'read' : 'destroy'),
  present: presentRestore,
});
