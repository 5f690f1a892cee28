/** `restore`: carries out one plan; without a plan's id it plans (docs/mcp.md, A restore takes two calls). Operators restore at once. */

import { LitestreamError } from '../../base/errors.ts';
import { executePlan } from '../restore-gate.ts';
import { restoreForOperator } from '../restore-operator.ts';
import { planForCaller } from '../restore-planning.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';
import { type RestoreInput, type RestoreOutput, restoreInput, restoreOutput } from './restore-schema.ts';

export const restore = defineVerb({
  name: 'restore',
  input: restoreInput,
  output: restoreOutput,
  effect: 'destroy',
  scope: 'restore',
  selfGated: true,
  run,
});

async function run(world: World, args: RestoreInput, call: CallContext): Promise<RestoreOutput> {
  if (!call.caller.operator && args.force !== undefined) {
    throw new LitestreamError('USAGE', 'force: a restore from here always makes a new file', { details: { argument: 'force' } });
  }
  if (args.plan_id !== undefined && args.dry_run === true) {
    throw new LitestreamError('USAGE', 'dry_run: contradicts plan_id', { details: { argument: 'dry_run' } });
  }
  if (args.plan_id !== undefined) return executePlan(world, args.plan_id, args, call);
  if (call.caller.operator) return restoreForOperator(world, args, call);
  const { plan_id: _id, wait_seconds: _wait, force: _force, dry_run: _dry, ...asked } = args;
  return planForCaller(world, asked, call);
}
