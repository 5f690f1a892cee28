/** What `restore` prints: the plan, the result, and the summary of several. */

import { formatDuration } from '../base/duration.ts';
import type { ErrorData } from '../base/errors.ts';
import type { RestoreOutput } from '../control/verbs/restore-schema.ts';
import type { RestoreTarget } from './restore-target.ts';
import { formatSIBytes, formatTable, formatTime, printable } from './table.ts';

export interface RestoreOutcome {
  readonly target: RestoreTarget;
  readonly answer?: RestoreOutput;
  readonly error?: ErrorData;
}

/** The original's plan: facts, then the files in the order they are applied. */
export function planText({ target, answer }: RestoreOutcome): string {
  const plan = answer?.plan;
  if (plan === undefined) return nothingText({ target, ...(answer === undefined ? {} : { answer }) });
  const files = plan.file_list ?? [];
  const facts = [
    ['source:', printable(target.source)],
    ['target:', printable(plan.output ?? target.output)],
    ['replica:', `${plan.replica_type ?? plan.replica} (${plan.replica})`],
    plan.reached.txid === undefined
      ? ['generation:', `${plan.generation} (version 0.3), up to WAL ${plan.reached.wal_index ?? '-'}`]
      : ['txid range:', `${files[0]?.min_txid ?? '-'} - ${plan.reached.txid}`],
    ...(plan.format_reason === undefined ? [] : [['format:', `${plan.format}: ${plan.format_reason}`]]),
    ['reached:', plan.reached.time],
    ['read:', `${formatSIBytes(plan.bytes_to_read)} in ${plan.files} ${plan.files === 1 ? 'file' : 'files'}`],
  ];
  const lines = files.map((file) => [
    String(file.level ?? '-'),
    file.name,
    file.min_txid ?? '-',
    file.max_txid ?? '-',
    String(file.size),
    formatTime(file.timestamp),
  ]);
  return `${formatTable(facts)}\n${formatTable([['level', 'file', 'min_txid', 'max_txid', 'size', 'timestamp'], ...lines])}`;
}

/** The original's fields first. */
export function planJSON(outcome: RestoreOutcome): Record<string, unknown> {
  const plan = outcome.answer?.plan;
  if (plan === undefined) return resultJSON(outcome, undefined);
  const { output, replica, reached, file_list: files = [] } = plan;
  return {
    source: outcome.target.source,
    target_path: output ?? outcome.target.output,
    replica: plan.replica_type ?? replica,
    min_txid: files[0]?.min_txid,
    max_txid: reached.txid,
    files: files.map((file) => ({ ...file, timestamp: formatTime(file.timestamp) })),
    plan,
  };
}

export function resultText(outcome: RestoreOutcome): string {
  const restored = outcome.answer?.restored;
  if (restored === undefined) return nothingText(outcome);
  const kept = restored.replaced === undefined ? '' : `The file that was there is kept as ${printable(restored.replaced)}\n`;
  const check = restored.integrity_check === 'ok' ? ', integrity check ok' : '';
  const size = `${restored.pages} ${restored.pages === 1 ? 'page' : 'pages'}, ${formatSIBytes(restored.size_bytes)}`;
  return `Restored ${printable(restored.output)} to ${restored.txid ?? `WAL ${restored.wal_index ?? '-'} of generation ${restored.generation ?? '-'}`} (${restored.time}): ${size} in ${formatDuration(restored.duration_ms)}${check}\n${kept}`;
}

/** `check` is what was asked for with -integrity-check. */
export function resultJSON({ target, answer, error }: RestoreOutcome, check: string | undefined): Record<string, unknown> {
  const restored = answer?.restored;
  if (restored === undefined) {
    return { db_path: target.output, status: error === undefined ? (answer?.mode ?? 'not_done') : 'failed', reason: answer?.reason, error };
  }
  const { output, replica, txid, duration_ms, ...rest } = restored;
  return {
    ...rest,
    db_path: output,
    replica,
    txid,
    duration_ms,
    integrity_check: restored.integrity_check === 'skipped' ? 'none' : (check ?? 'quick'),
    status: 'restored',
  };
}

function nothingText({ target, answer, error }: RestoreOutcome): string {
  const why = error?.message ?? answer?.reason ?? answer?.mode ?? 'not done';
  return `${error === undefined ? 'Nothing to do for' : 'Failed:'} ${printable(target.output)}: ${printable(why)}\n`;
}

/** One line per database. */
export function summaryText(outcomes: readonly RestoreOutcome[]): string {
  const rows = outcomes.map((outcome) => {
    const { target, answer, error } = outcome;
    const txid = answer?.restored?.txid ?? answer?.plan?.reached.txid ?? answer?.restored?.generation ?? answer?.plan?.generation ?? '-';
    return [printable(target.output), outcomeWord(outcome), txid, printable(error?.message ?? answer?.reason ?? '')];
  });
  return formatTable([['database', 'result', 'txid', 'message'], ...rows]);
}

function outcomeWord({ answer, error }: RestoreOutcome): string {
  if (error !== undefined) return 'failed';
  if (answer?.mode === 'done') return 'restored';
  return answer?.mode === 'nothing_to_do' ? 'skipped' : 'not done';
}
