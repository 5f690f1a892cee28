/** `litestream restore -f`: keeps a copy up to date until it is told to stop. */

import { formatDuration, parseDuration } from '../base/duration.ts';
import { EXIT, hasCode, LitestreamError } from '../base/errors.ts';
import type { FollowNote } from '../engine/follow/request.ts';
import type { IntegrityLevel } from '../engine/restore/restore.ts';
import { formatTXID } from '../formats/ltx/txid.ts';
import type { Door } from './door.ts';
import { createProgressLine } from './progress.ts';
import { type RestoreTarget, restoreTargets } from './restore-target.ts';
import { type SignalSource, StopSignals } from './signals.ts';
import type { ConfigFlagValues } from './source.ts';
import { formatSIBytes, printable } from './table.ts';

const DEFAULT_INTERVAL_MS = 1000;

/** Flags that name one state, which is left at once when following. */
const EXCLUDED = ['txid', 'timestamp', 'generation', 'index', 'dry-run', 'force'] as const;

export type FollowFlags = ConfigFlagValues & {
  readonly o?: string;
  readonly replica?: string;
  readonly json?: boolean;
  readonly f?: boolean;
  readonly 'follow-interval'?: string;
  readonly 'if-db-not-exists'?: boolean;
  readonly 'if-replica-exists'?: boolean;
} & { readonly [N in (typeof EXCLUDED)[number]]?: boolean | string };

/** Throws USAGE for flags that do not go together with -f. A signal ends it with status 0: it has no other end but errors. */
export async function runFollow(
  values: FollowFlags,
  integrity: IntegrityLevel,
  positionals: readonly string[],
  door: Door,
  source: SignalSource = process,
): Promise<number> {
  const intervalMs = readInterval(values);
  const { settings, targets } = await restoreTargets(door, values, positionals);
  const [target, ...others] = targets;
  if (target === undefined || others.length > 0)
    throw new LitestreamError('USAGE', 'several databases are configured; name the one to follow', {
      hint: 'litestream restore -f /path/to/db',
    });
  const printer = values.json === true ? jsonPrinter(door, target) : textPrinter(door, target);
  const line = createProgressLine(door.stderr);
  const stop = new AbortController();
  const signals = new StopSignals(source);
  signals.handle(() => stop.abort(new LitestreamError('CANCELLED', 'interrupted')));
  try {
    const wish = { path: target.path, output: target.output, intervalMs, integrity, ifAbsent: values['if-db-not-exists'] === true };
    const done = await door.follow(
      settings,
      { ...wish, ...(target.replica === undefined ? {} : { replica: target.replica }) },
      {
        signal: stop.signal,
        onNote: (note) => {
          line.clear();
          printer(note);
        },
        onProgress: ({ phase, bytesRead, bytesTotal, pagesWritten, pagesTotal }) =>
          line.update(
            phase === 'fetch'
              ? { phase, done: bytesRead, total: bytesTotal, unit: 'bytes', message: '' }
              : { phase, done: pagesWritten, total: pagesTotal, unit: 'pages', message: '' },
          ),
      },
    );
    if (done === 'exists') door.stderr.write(`Nothing to do: ${printable(target.output)} exists\n`);
    return EXIT.ok;
  } catch (error) {
    if (stop.signal.aborted) return EXIT.ok;
    if (values['if-replica-exists'] !== true || !hasCode(error, 'NO_SNAPSHOT')) throw error;
    door.stderr.write(`Nothing to do: ${error.message}\n`);
    return EXIT.ok;
  } finally {
    line.clear();
    signals.close();
  }
}

function readInterval(values: FollowFlags): number {
  if (values.f !== true) throw new LitestreamError('USAGE', '-follow-interval goes with -f');
  const excluded = EXCLUDED.find((name) => values[name] !== undefined && values[name] !== false);
  if (excluded !== undefined)
    throw new LitestreamError('USAGE', `-f and -${excluded} exclude each other`, {
      hint:
        excluded === 'force' ? 'Following never replaces a database; delete the output first, or choose another one.' : 'Leave one out.',
    });
  const text = values['follow-interval'];
  const interval = text === undefined ? 0 : parseDuration(text);
  return interval > 0 ? interval : DEFAULT_INTERVAL_MS;
}

type Printer = (note: FollowNote) => void;

/** One object a line for each change of the copy on stdout; what stands in the way on stderr. */
function jsonPrinter({ stdout, stderr }: Door, target: RestoreTarget): Printer {
  const tell = troubleTeller(stderr, target);
  return (note) => {
    tell(note);
    if (note.type === 'current' || note.type === 'busy' || note.type === 'failing') return;
    const { type, txid, ...rest } = note;
    const { from, time, durationMs, ...facts } = { from: undefined, time: undefined, durationMs: undefined, ...rest };
    const object = {
      event: type,
      db_path: target.output,
      ...(from === undefined ? {} : { from_txid: formatTXID(from) }),
      txid: formatTXID(txid),
      ...(time === undefined ? {} : { time: isoTime(time) }),
      ...facts,
      ...(durationMs === undefined ? {} : { duration_ms: Math.round(durationMs) }),
    };
    stdout.write(`${JSON.stringify(object)}\n`);
  };
}

/** On stderr, a line only when something is different; on a terminal the last line also shows where the copy is. */
function textPrinter({ stderr }: Door, target: RestoreTarget): Printer {
  const output = printable(target.output);
  const isTerminal = stderr.isTTY === true;
  const tell = troubleTeller(stderr, target);
  let isTroubled = true;
  return (note) => {
    if (isTerminal) stderr.write('\r\u001b[K');
    tell(note);
    switch (note.type) {
      case 'restored':
        stderr.write(`Restored ${output} to ${at(note)}: ${note.pages} pages, ${formatSIBytes(note.bytes)} read\n`);
        break;
      case 'resumed':
        stderr.write(`Going on with ${output} at ${formatTXID(note.txid)}\n`);
        break;
      case 'rebased':
        stderr.write(`Brought ${output} to ${at(note)} by a new base (${note.reason}): ${note.pages} pages differed\n`);
        break;
      case 'applied':
        if (isTerminal) stderr.write(`${output} is at ${at(note)}`);
        break;
      case 'current':
        if (isTroubled) stderr.write(`${output} is up to date at ${formatTXID(note.txid)}; following ${printable(target.source)}\n`);
        isTroubled = false;
        break;
      default:
        isTroubled = true;
    }
  };
}

const at = ({ txid, time }: { readonly txid: Parameters<typeof formatTXID>[0]; readonly time: number }): string =>
  `${formatTXID(txid)} (${isoTime(time)})`;

/** A file may claim any time. */
const isoTime = (ms: number): string => (Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms`);

/** Says what stands in the way when it is another thing than before. */
function troubleTeller(stderr: Door['stderr'], target: RestoreTarget): Printer {
  let told: string | undefined;
  return (note) => {
    const trouble = note.type === 'failing' ? note.error.code : note.type === 'busy' ? note.type : undefined;
    if (trouble !== undefined && trouble !== told) stderr.write(`${troubleText(note, target)}\n`);
    told = trouble;
  };
}

function troubleText(note: FollowNote, target: RestoreTarget): string {
  if (note.type !== 'failing') return `Waiting for programs that read ${printable(target.output)}`;
  const { code, message, hint } = note.error;
  return `Warning: ${code}: ${printable(message)}; trying again in ${formatDuration(note.retryInMs)}${hint === undefined ? '' : `\n${printable(hint)}`}`;
}
