/** The gate between a restore plan and its execution: every check in its order, then used, recorded, done (docs/mcp.md, A restore takes two calls). */

import { hasCode, LitestreamError } from '../base/errors.ts';
import { planLegacy } from '../engine/legacy/plan.ts';
import { planRestore } from '../engine/restore/plan.ts';
import { LATEST } from '../engine/restore/target.ts';
import { NO_TXID } from '../formats/ltx/txid.ts';
import { auditedBy, type Confirmation } from './audited.ts';
import type { Job } from './job-work.ts';
import { limitReached } from './jobs.ts';
import { findDatabase, findDestinations } from './lookup.ts';
import { formatInstant } from './moment.ts';
import { otherWriterWarnings } from './other-writer.ts';
import { type OutputTarget, recheckOutput } from './output-path.ts';
import type { Plan } from './plans.ts';
import { type Choice, chooseRestore } from './restore-choice.ts';
import { freeBytes, momentOut, stateName } from './restore-description.ts';
import { outputArgument, rulesOf } from './restore-planning.ts';
import { checkSpace, runPlanned } from './restore-run.ts';
import { requireRights } from './rights.ts';
import type { CallContext } from './verb.ts';
import type { RestoreInput, RestoreOutput } from './verbs/restore-schema.ts';
import { patienceOf, resultOf } from './waiting.ts';
import type { World } from './world.ts';

/** How long a person may take to answer, ms. */
const CONFIRM_TIMEOUT_MS = 300_000;

/** Carries out the plan `id`, or throws what stands against it and leaves it as it was. */
export async function executePlan(world: World, id: string, args: RestoreInput, call: CallContext): Promise<RestoreOutput> {
  requireRights(call.caller, { effect: 'destroy', scope: 'restore' });
  const plan = world.plans.find(call.caller.principal, id);
  const entry = findDatabase(world, call.caller, plan.binding.database);
  checkArguments(plan, args);
  const ready = await passGate(world, plan, entry, call).catch((error: unknown) => {
    // Another call may have used the plan meanwhile, which is then the reason for whatever stood in the way.
    if (world.plans.isUsed(plan)) world.plans.find(plan.principal, plan.id);
    throw error;
  });
  call.signal.throwIfAborted();
  const job = begin(world, { plan, call, ...ready });
  const result = await resultOf(world, job, { ms: patienceOf(args.wait_seconds, call), call });
  return result ?? { as_of: formatInstant(world.clock.now()), mode: 'running', job_id: job.id, plan: plan.shown };
}

type Ready = Pick<Beginning, 'choice' | 'target' | 'confirmedBy'>;

async function passGate(world: World, plan: Plan, entry: Choice['entry'], call: CallContext): Promise<Ready> {
  await recheckOutput(plan.binding.output, rulesOf(world));
  checkLimits(world, plan);
  const confirmedBy = await confirm(world, plan, call);
  // Minutes may have passed while a person thought about it.
  const choice = await chooseAgain(world, plan, entry, call.signal);
  const target = await recheckOutput(plan.binding.output, rulesOf(world));
  checkSpace({ ...plan.shown, free_bytes: await freeBytes(target.path) });
  return { choice, target, confirmedBy };
}

interface Beginning {
  readonly plan: Plan;
  readonly choice: Choice;
  readonly target: OutputTarget;
  readonly confirmedBy: Confirmation;
  readonly call: CallContext;
}

/** Nothing in here waits between the last look at the limits and the plan being used: of simultaneous calls exactly one gets through. */
function begin(world: World, { plan, choice, target, confirmedBy, call }: Beginning): Job<RestoreOutput> {
  const { binding } = plan;
  world.plans.find(plan.principal, plan.id);
  checkLimits(world, plan);
  world.plans.use(plan);
  const replanned = choice.plan.totals.files !== plan.shown.files || choice.plan.totals.bytes !== plan.shown.bytes_to_read;
  const finish = auditedBy(world, call, {
    verb: 'restore',
    effect: 'destroy',
    database: choice.entry.settings.path,
    args: { output: binding.output.path, ...stateArguments(binding), integrity_check: binding.integrityCheck },
    planId: plan.id,
    confirmedBy,
  });
  const job = world.jobs.start<RestoreOutput>({
    ...slotOf(plan),
    principal: plan.principal,
    database: choice.entry.settings.name,
    run: (context) => runPlanned(world, choice, { target, integrity: binding.integrityCheck, replanned }, context),
  });
  finish(job.outcome, (output) => output.restored?.size_bytes);
  return job;
}

/** What the audit log says of the state. */
const stateArguments = ({ generation, state }: Plan['binding']) => {
  const { txid, wal_index, wal_offset } = momentOut(state);
  return txid === undefined ? { generation, wal_index, wal_offset } : { txid };
};

const slotOf = ({ binding: { database } }: Plan) => ({ verb: 'restore', database, lane: `restore ${database}`, heavy: true });

/** Everything but the id must be absent or as it was when the plan was made. */
function checkArguments(plan: Plan, args: RestoreInput): void {
  const { plan_id: _id, wait_seconds: _wait, dry_run: _dry, output: _output, o: _o, ...others } = args;
  const asked: Readonly<Record<string, unknown>> = plan.asked;
  const different = Object.entries(others).find(
    ([name, value]) => value !== undefined && value !== asked[name] && !isBound(plan, name, value),
  );
  if (different !== undefined) throw contradicts(different[0]);
  const output = outputArgument(args);
  if (output !== undefined && output !== outputArgument(plan.asked) && output !== plan.binding.output.path) throw contradicts('output');
}

/** What the plan resolved may be repeated instead of what was asked. */
function isBound({ binding }: Plan, name: string, value: unknown): boolean {
  if (name === 'path') return value === binding.database;
  if (name === 'replica') return value === binding.replica;
  if (name === 'txid') return typeof value === 'string' && value.toLowerCase().padStart(16, '0') === momentOut(binding.state).txid;
  if (name === 'integrity_check') return value === binding.integrityCheck;
  return name === 'generation' && value === binding.generation;
}

function contradicts(argument: string): LitestreamError {
  return new LitestreamError('USAGE', `${argument}: differs from the plan`, {
    details: { argument },
    hint: 'Give plan_id alone, or make a new plan with the other arguments.',
  });
}

function checkLimits(world: World, plan: Plan): void {
  if (world.jobs.unfinished('restore') >= world.gate.maxRestores) throw limitReached(`${world.gate.maxRestores} restores are running`);
  world.jobs.checkRoom(slotOf(plan));
}

async function confirm(world: World, plan: Plan, call: CallContext): Promise<Confirmation> {
  const policy = world.gate.confirm;
  if (policy === 'operator' && !call.caller.operator) throw approvalPending(plan);
  if (call.caller.operator) return 'operator';
  const answer = await ask(world, plan, call);
  if (answer === 'accepted') return 'elicitation';
  if (answer === 'unavailable' && policy === 'auto') return 'none';
  if (answer === 'unavailable') throw unavailable();
  if (answer === 'declined') {
    world.plans.revoke(plan);
    throw new LitestreamError('CONFIRMATION_DECLINED', 'the person declined this restore; the plan is void');
  }
  throw new LitestreamError('CANCELLED', 'nobody answered the question; nothing was done and the plan stays valid');
}

async function ask(world: World, plan: Plan, { confirm: askPerson, signal }: CallContext) {
  if (askPerson === undefined) return 'unavailable';
  const late = new AbortController();
  const silence = world.clock.sleep(CONFIRM_TIMEOUT_MS, { signal: late.signal, unref: true }).then(
    () => 'dismissed' as const,
    () => 'dismissed' as const,
  );
  try {
    const answer = await Promise.race([askPerson({ planId: plan.id, message: question(plan), action: 'restore' }), silence]);
    signal.throwIfAborted();
    return answer;
  } finally {
    late.abort();
  }
}

const stateWords = ({ generation, reached }: Plan['shown']): string =>
  reached.txid === undefined ? `WAL ${reached.wal_index ?? ''} of generation ${generation}, version 0.3` : `transaction ${reached.txid}`;

function question({ shown }: Plan): string {
  const { short_by_seconds: short, leaves_out: left } = shown;
  return [
    `Restore ${shown.database} as of ${shown.reached.time} (${stateWords(shown)})?`,
    ...(short === undefined ? [] : [`That is ${short} s before the moment asked for, ${shown.asked.timestamp ?? ''}.`]),
    `A new file is created: ${shown.output ?? ''}${shown.bytes_to_write === undefined ? '' : `, ${shown.bytes_to_write} bytes`}.`,
    ...(left === undefined ? [] : [`It leaves out ${left.transactions} later transactions.`]),
    'The live database is not touched.',
  ].join('\n');
}

/** The files anew: same lineage, same transaction, or PLAN_CHANGED. */
async function chooseAgain(world: World, plan: Plan, entry: Choice['entry'], signal: AbortSignal): Promise<Choice> {
  const { binding } = plan;
  const [replica] = await findDestinations(entry, binding.replica);
  if (replica === undefined) throw changed(`replica ${binding.replica} is gone`, 'replica');
  if (!('txid' in binding.state)) return chooseLegacyAgain(world, plan, { entry, replica, signal });
  const target = { type: 'txid', txid: binding.state.txid } as const;
  const exactTimes = plan.shown.asked.timestamp !== undefined;
  const files = await world.replicas.list(entry, replica, { signal, exactTimes });
  const asked = { format: 'ltx', target, legacyTarget: { type: 'latest' }, shown: plan.shown.asked } as const;
  const isNamed = plan.asked.replica !== undefined;
  try {
    const again = planRestore(files, target);
    const timesAreExact = (await world.replicas.get(entry, replica)).store.capabilities.timestamps === 'listing';
    if (timesAreExact && again.reached.time !== binding.state.time)
      throw changed('the state of that transaction has another time now', 'time');
    const warnings = await otherWriterWarnings({ entry, replica });
    const alternates = isNamed ? [] : entry.replicas.filter((other) => other !== replica);
    return { entry, asked, replica, isNamed, format: 'ltx', plan: again, newest: again.reached.txid, exactTimes, warnings, alternates };
  } catch (cause) {
    if (hasCode(cause, 'TX_NOT_AVAILABLE') || hasCode(cause, 'NO_SNAPSHOT') || hasCode(cause, 'LTX_GAP')) {
      // Planned over several replicas, perhaps: then together they still hold it.
      const together = isNamed ? undefined : await chooseRestore(world, entry, { args: {}, asked, signal }).catch(() => undefined);
      if (together?.combined === true) return together;
      throw changed(`transaction ${stateName(momentOut(binding.state))} can no longer be restored from ${binding.replica}`, 'txid', cause);
    }
    throw cause;
  }
}

/** Nothing adds to data of version 0.3; its program may still remove old files. */
async function chooseLegacyAgain(
  world: World,
  { binding, shown, asked: { replica: named } }: Plan,
  { entry, replica, signal }: Pick<Choice, 'entry' | 'replica'> & { readonly signal: AbortSignal },
): Promise<Choice> {
  const { generation, state } = binding;
  if ('txid' in state) throw new LitestreamError('INTERNAL', 'a plan of LTX files taken for one of version 0.3');
  const { index, offset, time } = state;
  const legacyTarget = { type: 'segment', index, offset } as const;
  try {
    const again = planLegacy(await world.replicas.listLegacy(entry, replica, signal), legacyTarget, generation);
    if (again.reached.time !== time) throw changed('the file that state ends with is another one now', 'time');
    const asked = { format: 'v3', target: LATEST, legacyTarget, generation, shown: shown.asked } as const;
    const isNamed = named !== undefined;
    return { entry, asked, replica, isNamed, format: 'v3', plan: again, newest: NO_TXID, exactTimes: false, warnings: [], alternates: [] };
  } catch (cause) {
    if (hasCode(cause, 'TX_NOT_AVAILABLE') || hasCode(cause, 'NO_SNAPSHOT') || hasCode(cause, 'LEGACY_INVALID')) {
      throw changed(`that state of generation ${generation} can no longer be restored from ${binding.replica}`, 'wal_index', cause);
    }
    throw cause;
  }
}

function changed(what: string, field: string, cause?: unknown): LitestreamError {
  return new LitestreamError('PLAN_CHANGED', what, { cause, details: { changed: field }, hint: 'Make a new plan with restore_plan.' });
}

function unavailable(): LitestreamError {
  return new LitestreamError('CONFIRMATION_UNAVAILABLE', 'a person has to agree, and this client cannot ask one', {
    hint: 'Use a client that can ask, or let a person restore on the host with the litestream command.',
  });
}

/** On the command line an index is hex, as version 0.3 took it; inside a WAL the moment says how far. */
const stateFlags = ({ generation, reached }: Plan['shown']): string =>
  reached.txid === undefined ? `-generation ${generation} -timestamp ${reached.time}` : `-txid ${reached.txid}`;

function approvalPending({ shown }: Plan): LitestreamError {
  return new LitestreamError('APPROVAL_PENDING', 'a person on the host has to carry this restore out', {
    details: { plan_id: shown.plan_id, output: shown.output, ...shown.reached },
    hint: `A person runs on the host: litestream restore ${stateFlags(shown)} -o ${shown.output ?? 'FILE'} ${shown.database}`,
  });
}
