/** A restore by a person at the machine: no plan, any output path, at once (docs/cli.md, restore). */

import { errorToData, hasCode, LitestreamError } from '../base/errors.ts';
import { redact } from '../base/redact.ts';
import type { OutputRequest } from '../engine/restore/produce.ts';
import type { DatabaseEntry } from '../service/options.ts';
import { auditedBy } from './audited.ts';
import type { Warning } from './fields.ts';
import { factsOf } from './file-identity.ts';
import type { JobContext } from './job-work.ts';
import { configuredEntries, findDatabase } from './lookup.ts';
import { formatInstant } from './moment.ts';
import { isProtected, readProtected } from './protected-paths.ts';
import { askedFor, type Choice, chooseRestore, defaultCheck, isNoBackup } from './restore-choice.ts';
import { momentOut } from './restore-description.ts';
import { nothingToDo, outputArgument, planForCaller } from './restore-planning.ts';
import { runForOperator } from './restore-run.ts';
import { requireRights } from './rights.ts';
import type { CallContext } from './verb.ts';
import type { RestoreInput, RestoreOutput } from './verbs/restore-schema.ts';
import { patienceOf, resultOf } from './waiting.ts';
import type { World } from './world.ts';

/** How a restore fails whose files have gone. */
const VANISHED = ['TX_NOT_AVAILABLE', 'NO_SNAPSHOT', 'OBJECT_NOT_FOUND'] as const;

export async function restoreForOperator(world: World, args: RestoreInput, call: CallContext): Promise<RestoreOutput> {
  if (args.dry_run === true) return planForCaller(world, args, call);
  requireRights(call.caller, { effect: 'destroy', scope: 'restore' });
  const entry = findDatabase(world, call.caller, args.path);
  const output = outputArgument(args) ?? entry.settings.path;
  if (args.if_db_not_exists === true && (await factsOf(output)) !== undefined) return nothingToDo(world, `${output} exists`);
  await refuseLive(world, output);
  let choice: Choice;
  try {
    choice = await chooseRestore(world, entry, { args, asked: askedFor(args, world.clock.now()), signal: call.signal });
  } catch (error) {
    if (args.if_replica_exists === true && isNoBackup(error)) return nothingToDo(world, 'there is no backup');
    throw error;
  }
  // Behind the plan: what is sent now must not become what is restored.
  const unsent = args.force === true ? await sendTail(world, entry, output, call.signal) : [];
  const warned = { ...choice, warnings: [...choice.warnings, ...unsent] };
  return run(world, warned, requestOf(entry, choice, output, args), call, args);
}

/** What the database that is replaced has not sent yet goes first, where it can; it is kept beside the result in any case. */
async function sendTail(world: World, entry: DatabaseEntry, output: string, signal: AbortSignal): Promise<Warning[]> {
  if (world.sendTail === undefined || output !== entry.settings.path || (await factsOf(output)) === undefined) return [];
  try {
    await world.sendTail(entry, signal);
    return [];
  } catch (error) {
    signal.throwIfAborted();
    // Owned: the restore itself refuses, with the better words.
    if (hasCode(error, 'DB_OWNED')) return [];
    const { code, message } = errorToData(error);
    const kept = 'the replaced database is kept whole, with its WAL';
    return [
      { code: 'TAIL_NOT_SENT', message: redact(`what ${output} had not sent yet is not at its replicas (${code}: ${message}); ${kept}`) },
    ];
  }
}

async function run(world: World, choice: Choice, request: OutputRequest, call: CallContext, args: RestoreInput): Promise<RestoreOutput> {
  const { settings } = choice.entry;
  const { output, integrity, force = false } = request;
  const act = {
    verb: 'restore',
    effect: 'destroy',
    database: settings.path,
    args: { output, integrity, force },
    confirmedBy: 'operator',
  } as const;
  const finish = auditedBy(world, call, act);
  const job = world.jobs.start<RestoreOutput>({
    principal: call.caller.principal,
    verb: 'restore',
    database: settings.name,
    lane: `restore to ${output}`,
    heavy: true,
    run: (context) => runOrReplan(world, choice, request, context, args),
  });
  finish(job.outcome, ({ restored }) => restored?.size_bytes);
  const result = await resultOf(world, job, { ms: patienceOf(args.wait_seconds, call), call });
  return result ?? { as_of: formatInstant(world.clock.now()), mode: 'running', job_id: job.id };
}

/**
 * What was the newest state, or the nearest one to a moment, is not one for long where files are merged and expire quickly: then the one of now
 * is meant. A TXID is meant as it stands.
 */
async function runOrReplan(
  world: World,
  choice: Choice,
  request: OutputRequest,
  job: JobContext,
  args: RestoreInput,
): Promise<RestoreOutput> {
  try {
    return await runForOperator(world, choice, request, job);
  } catch (error) {
    // With force the tail of the replaced database may have been sent since: it is not what is meant.
    const { type } = choice.asked.target;
    const mayReplan = choice.format === 'ltx' && type !== 'txid' && request.force !== true;
    if (!mayReplan || !VANISHED.some((code) => hasCode(error, code))) throw error;
    if (type === 'latest') return runForOperator(world, choice, request, job, { isPlanned: false });
    const again = await chooseRestore(world, choice.entry, { args, asked: choice.asked, signal: job.signal });
    const warned = { ...again, warnings: [replannedTo(again), ...again.warnings] };
    return runForOperator(world, warned, request, job, { isReplanned: true });
  }
}

function replannedTo({ asked, plan }: Choice): Warning {
  const { txid, time } = momentOut(plan.reached);
  const message = `the state planned for ${asked.shown.timestamp ?? 'the moment asked'} was merged away meanwhile; planned anew, it is TXID ${txid ?? ''} of ${time}`;
  return { code: 'REPLANNED', message };
}

function requestOf(entry: DatabaseEntry, { format }: Choice, output: string, args: RestoreInput): OutputRequest {
  return {
    output,
    integrity: args.integrity_check ?? defaultCheck(format),
    ...(args.force === true ? { force: true } : {}),
    ...(output === entry.settings.path ? { metaPath: entry.settings.metaPath } : {}),
  };
}

/** What this very process replicates is never replaced under its feet. */
export async function refuseLive(world: World, output: string): Promise<void> {
  if (world.service === undefined || (await factsOf(output)) === undefined) return;
  if (!(await isProtected(output, await readProtected(configuredEntries(world), world.protectedPaths)))) return;
  throw new LitestreamError('OUTPUT_IN_USE', `restoring to ${output}: it belongs to what is being replicated now`, {
    hint: 'Stop replication first, or restore to another path.',
  });
}
