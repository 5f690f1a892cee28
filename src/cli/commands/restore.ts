/** `litestream restore`: one database, or every configured one. */

import { ERROR_CODES, EXIT, errorToData, LitestreamError } from '../../base/errors.ts';
import type { Control, VerbInput } from '../../control/control.ts';
import type { CallContext } from '../../control/verb.ts';
import { defineCommand, wordFlag } from '../command.ts';
import { withControl } from '../connect.ts';
import type { Door } from '../door.ts';
import { formatJSON } from '../json.ts';
import { createProgressLine } from '../progress.ts';
import { planJSON, planText, type RestoreOutcome, resultJSON, resultText, summaryText } from '../restore-output.ts';
import { type RestoreTarget, type RestoreTargets, restoreTargets } from '../restore-target.ts';
import { settleJob } from '../settle-job.ts';
import { CONFIG_FLAGS, CONFIG_USAGE } from '../source.ts';
import { runUndo } from '../undo.ts';

const FLAGS = {
  ...CONFIG_FLAGS,
  o: 'string',
  replica: 'string',
  txid: 'string',
  timestamp: 'string',
  generation: 'string',
  index: 'string',
  'if-db-not-exists': 'bool',
  'if-replica-exists': 'bool',
  force: 'bool',
  undo: 'bool',
  'integrity-check': 'string',
  'dry-run': 'bool',
  json: 'bool',
  f: 'bool',
  'follow-interval': 'string',
  parallelism: 'int',
} as const;

type Flags = { readonly [N in keyof typeof FLAGS]?: { bool: boolean; string: string; int: number }[(typeof FLAGS)[N]] };
type Wishes = Omit<VerbInput<'restore'>, 'path' | 'output' | 'replica'>;

export const restore = defineCommand({
  name: 'restore',
  usage: `Usage: litestream restore [FLAGS] [DB_PATH | REPLICA_URL]

Restores a database from its replica. The copy is written beside its place, checked, and swapped in at the end. Without an
argument every configured database is restored: all are planned before the first is written. An existing output is refused.

Flags:
${CONFIG_USAGE}
  -o PATH           output file (default: the database's own path)
  -replica NAME     from this replica (default: the best one)
  -timestamp TIME   the state just before this moment, RFC 3339 or an age such as -15m
  -txid TXID        the state after this transaction, 1 to 16 hex digits
  -generation ID    ltx, or a generation of version 0.3 (16 hex digits)
  -index HEX        up to the end of this WAL of a generation
  -if-db-not-exists    do nothing, successfully, when the output exists
  -if-replica-exists   do nothing, successfully, when there is no backup
  -force            replace an existing output; it is kept as NAME.replaced-TIME
  -undo             bring back what the last -force replaced; what stands there now is kept the same way
  -integrity-check KIND
                    none, quick or full (default: none; checksums are always compared)
  -dry-run          print the plan and write nothing
  -f                follow: keep the output up to date, for reading only, until stopped by Ctrl-C
  -follow-interval DURATION
                    with -f: how often the replica is looked at (default: 1s)
  -json             print JSON

Examples:
  litestream restore /srv/app/app.db
  litestream restore -o before.db -timestamp 2026-03-01T12:00:00Z /srv/app/app.db
  litestream restore -o copy.db file:///srv/backups/app
  litestream restore -undo /srv/app/app.db
  litestream restore -f -o copy.db file:///srv/backups/app
  litestream restore -config litestream.yml -if-db-not-exists
`,
  flags: FLAGS,
  async run({ values, positionals }, door) {
    if (values.undo === true) return runUndo(door, values, positionals);
    if (values.f === true || values['follow-interval'] !== undefined) {
      const { runFollow } = await import('../follow.ts');
      return runFollow(values, readIntegrity(values) ?? 'none', positionals, door);
    }
    const wishes = readWishes(values);
    if (values.parallelism !== undefined) door.stderr.write('Warning: -parallelism is deprecated and has no effect\n');
    const work = await restoreTargets(door, values, positionals);
    const line = createProgressLine(door.stderr);
    const run = (control: Control, call: CallContext) =>
      work.all && work.targets.length > 1
        ? runAll(door, work, wishes, values, control, call)
        : runOne(door, work, wishes, values, control, call);
    // The replicas are all that is needed; a daemon could only be in the way.
    return withControl(door, work.settings, 'offline', run, { progress: line.update }).finally(line.clear);
  },
});

function readWishes(values: Flags): Wishes {
  if (values.txid !== undefined && values.timestamp !== undefined)
    throw new LitestreamError('USAGE', '-txid and -timestamp exclude each other');
  const check = readIntegrity(values);
  return {
    ...(values.txid === undefined ? {} : { txid: values.txid }),
    ...(values.timestamp === undefined ? {} : { timestamp: values.timestamp }),
    ...(values.generation === undefined ? {} : { generation: values.generation }),
    ...(values.index === undefined ? {} : { index: parseIndex(values.index) }),
    ...(check === undefined ? {} : { integrity_check: check }),
    ...(values['if-db-not-exists'] === true ? { if_db_not_exists: true } : {}),
    ...(values['if-replica-exists'] === true ? { if_replica_exists: true } : {}),
    ...(values.force === true ? { force: true } : {}),
  };
}

const readIntegrity = (values: Flags) => wordFlag('integrity-check', values['integrity-check'], ['none', 'quick', 'full']);

/** Hex, as version 0.3 took it. */
function parseIndex(text: string): number {
  const value = /^(0x)?[0-9a-fA-F]{1,13}$/.test(text) ? Number.parseInt(text, 16) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new LitestreamError('USAGE', `-index is a number in hex, not "${text}"`);
}

async function callRestore(
  control: Control,
  call: CallContext,
  target: RestoreTarget,
  wishes: Wishes,
  dryRun: boolean,
): Promise<RestoreOutcome> {
  const { path, output, replica } = target;
  const input = { path, output, ...wishes, ...(replica === undefined ? {} : { replica }), ...(dryRun ? { dry_run: true } : {}) };
  return { target, answer: await settleJob(control, call, await control.call('restore', input, call)) };
}

async function runOne(
  door: Door,
  { targets }: RestoreTargets,
  wishes: Wishes,
  values: Flags,
  control: Control,
  call: CallContext,
): Promise<number> {
  const [target] = targets;
  if (target === undefined) throw new LitestreamError('INTERNAL', 'a restore without a target');
  const dryRun = values['dry-run'] === true;
  const outcome = await callRestore(control, call, target, wishes, dryRun);
  for (const { message } of outcome.answer?.warnings ?? []) door.stderr.write(`Warning: ${message}\n`);
  if (values.json === true) door.stdout.write(formatJSON(dryRun ? planJSON(outcome) : resultJSON(outcome, values['integrity-check'])));
  else door.stdout.write(dryRun ? planText(outcome) : resultText(outcome));
  return EXIT.ok;
}

/** Everything is planned before anything is written; one plan that fails leaves all files as they are. */
async function runAll(
  door: Door,
  { targets }: RestoreTargets,
  wishes: Wishes,
  values: Flags,
  control: Control,
  call: CallContext,
): Promise<number> {
  const plans: RestoreOutcome[] = [];
  for (const target of targets) plans.push(await attempt(call, target, () => callRestore(control, call, target, wishes, true)));
  const dryRun = values['dry-run'] === true;
  const blocked = plans.some(({ error }) => error !== undefined);
  const outcomes = dryRun || blocked ? plans : await restoreEach(plans, wishes, control, call);
  if (values.json === true) {
    const rows = outcomes.map((outcome) =>
      dryRun && outcome.error === undefined ? planJSON(outcome) : resultJSON(outcome, values['integrity-check']),
    );
    door.stdout.write(formatJSON({ databases: rows, failed: outcomes.filter(({ error }) => error !== undefined).length }));
  } else {
    door.stdout.write(dryRun && !blocked ? outcomes.map(planText).join('\n') : summaryText(outcomes));
    if (blocked) door.stderr.write('Nothing was written: not every database could be planned\n');
  }
  return exitOf(outcomes);
}

async function restoreEach(
  plans: readonly RestoreOutcome[],
  wishes: Wishes,
  control: Control,
  call: CallContext,
): Promise<readonly RestoreOutcome[]> {
  const outcomes: RestoreOutcome[] = [];
  for (const plan of plans) {
    if (plan.answer?.mode === 'nothing_to_do') outcomes.push(plan);
    else outcomes.push(await attempt(call, plan.target, () => callRestore(control, call, plan.target, wishes, false)));
  }
  return outcomes;
}

async function attempt(call: CallContext, target: RestoreTarget, work: () => Promise<RestoreOutcome>): Promise<RestoreOutcome> {
  try {
    return await work();
  } catch (error) {
    call.signal.throwIfAborted();
    return { target, error: errorToData(error) };
  }
}

/** The status of the failures when they agree, 1 otherwise. */
function exitOf(outcomes: readonly RestoreOutcome[]): number {
  const statuses = new Set(outcomes.flatMap(({ error }) => (error === undefined ? [] : [ERROR_CODES[error.code].exit])));
  const [only] = statuses;
  if (only === undefined) return EXIT.ok;
  return statuses.size === 1 ? only : EXIT.failed;
}
