/** Makes restore plans: for models with an id that can be carried out once, for operators as a preview (docs/mcp.md, A restore takes two calls). */

import { hasCode, LitestreamError } from '../base/errors.ts';
import { factsOf } from './file-identity.ts';
import { configuredEntries, findDatabase } from './lookup.ts';
import { formatInstant } from './moment.ts';
import { notAllowed } from './output-name.ts';
import { type OutputRules, type OutputTarget, resolveOutput, suggestOutput } from './output-path.ts';
import { askedFor, type Choice, chooseRestore, defaultCheck, isNoBackup } from './restore-choice.ts';
import { describeExecution, describePlan, generationOf, momentOut, stateName } from './restore-description.ts';
import { checkSpace } from './restore-run.ts';
import type { CallContext } from './verb.ts';
import type { PlanInput, RestoreOutput } from './verbs/restore-schema.ts';
import type { World } from './world.ts';

export const rulesOf = (world: World): OutputRules => ({
  allowed: world.allowed,
  entries: configuredEntries(world),
  protectedPaths: world.protectedPaths,
});

/** The output argument under either of its names. USAGE when they differ. */
export function outputArgument({ output, o }: PlanInput): string | undefined {
  if (output === undefined || o === undefined || output === o) return output ?? o;
  throw new LitestreamError('USAGE', 'o: output is given too, and differs', { details: { argument: 'o' } });
}

/** What a restore would do. For anyone but an operator the plan is kept and can be carried out by its id. */
export async function planForCaller(world: World, args: PlanInput, call: CallContext): Promise<RestoreOutput> {
  const entry = findDatabase(world, call.caller, args.path);
  const asked = askedFor(args, world.clock.now());
  const given = outputArgument(args);
  if (args.if_db_not_exists === true && given !== undefined) {
    const reason = await existingOutput(world, given, call);
    if (reason !== undefined) return nothingToDo(world, reason);
  }
  let choice: Choice;
  try {
    choice = await chooseRestore(world, entry, { args, asked, signal: call.signal });
  } catch (error) {
    if (args.if_replica_exists === true && isNoBackup(error)) return nothingToDo(world, 'there is no backup');
    throw error;
  }
  return call.caller.operator ? preview(world, choice, args, call) : keptPlan(world, choice, args, call);
}

export function nothingToDo(world: World, reason: string): RestoreOutput {
  return { as_of: formatInstant(world.clock.now()), mode: 'nothing_to_do', reason };
}

async function keptPlan(world: World, choice: Choice, args: PlanInput, call: CallContext): Promise<RestoreOutput> {
  const { caller, signal } = call;
  const target = await chooseOutput(world, choice, args);
  const integrityCheck = args.integrity_check ?? 'quick';
  const described = await describePlan(world, choice, { output: target?.path, integrityCheck, signal, withFiles: false });
  const common = { as_of: formatInstant(world.clock.now()), mode: 'plan' as const, ...warningsOf(choice) };
  if (target === undefined) return { ...common, plan: described, execute: describeExecution(world, caller, 'OUTPUT_NOT_ALLOWED') };
  checkSpace(described);
  const { reached } = choice.plan;
  const plan = world.plans.create(
    caller.principal,
    {
      database: choice.entry.settings.path,
      replica: choice.replica.name,
      generation: generationOf(choice),
      state: reached,
      output: target,
      integrityCheck,
    },
    args,
    ({ plan_id, expiresAt }) => ({ plan_id, expires_at: formatInstant(expiresAt), ...described }),
  );
  return { ...common, plan: plan.shown, execute: describeExecution(world, caller) };
}

async function preview(world: World, choice: Choice, args: PlanInput, { signal }: CallContext): Promise<RestoreOutput> {
  const plan = await describePlan(world, choice, {
    output: outputArgument(args) ?? choice.entry.settings.path,
    integrityCheck: args.integrity_check ?? defaultCheck(choice.format),
    signal,
    withFiles: true,
  });
  return { as_of: formatInstant(world.clock.now()), mode: 'plan', plan, ...warningsOf(choice) };
}

/** Undefined where no directory is set in which a restore may create a file and none was named: then there is nothing but the plan to see. */
async function chooseOutput(world: World, choice: Choice, args: PlanInput): Promise<OutputTarget | undefined> {
  const given = outputArgument(args);
  if (given !== undefined) return resolveOutput(given, rulesOf(world));
  if (world.gate.restoreDirs.length === 0) return undefined;
  return suggestOutput(choice.entry.settings.name, stateName(momentOut(choice.plan.reached)), rulesOf(world));
}

/** Why `if_db_not_exists` leaves nothing to do. For a model only inside the allowed directories: elsewhere existence is not its business. */
async function existingOutput(world: World, given: string, { caller }: CallContext): Promise<string | undefined> {
  if (caller.operator) return (await factsOf(given)) === undefined ? undefined : `${given} exists`;
  try {
    await resolveOutput(given, rulesOf(world));
    return undefined;
  } catch (error) {
    if (hasCode(error, 'OUTPUT_EXISTS')) return 'the output exists';
    throw error instanceof LitestreamError ? error : notAllowed('it cannot be looked at');
  }
}

const warningsOf = ({ warnings }: Choice): Pick<RestoreOutput, 'warnings'> => (warnings.length === 0 ? {} : { warnings: [...warnings] });
