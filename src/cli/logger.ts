/** Log lines in the look of Go's `slog`, text or JSON, so that existing log pipelines keep working. */

import { type Clock, systemClock } from '../base/clock.ts';
import { type ErrorData, errorToData, LitestreamError } from '../base/errors.ts';
import type { LogFields, Logger, LogLevel } from '../base/log.ts';
import { redact } from '../base/redact.ts';

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly type: 'text' | 'json';
  readonly stream: { write(text: string): unknown };
  readonly clock?: Clock;
}

/** Fields whose value is a credential whatever it looks like. */
const SECRET_NAME =
  /(?:^|[-_.])(?:token|secret|password|passphrase|credentials?|authorization|jwt|seed|nkey|sas|(?:access|account|private|secret|customer)[-_]?key)$/i;

const SEVERITY: Readonly<Record<LogLevel, number>> = { trace: 0, debug: 1, info: 2, warn: 3, error: 4 };

/** A logger that writes one line per call and masks what looks like a credential. */
export function createLogger({ level, type, stream, clock = systemClock }: LoggerOptions): Logger {
  const least = SEVERITY[level];
  const format = type === 'json' ? formatJSONLine : formatTextLine;
  const build = (bound: LogFields): Logger => ({
    log: (at, message, fields) => {
      if (SEVERITY[at] < least) return;
      stream.write(format(new Date(clock.now()).toISOString(), at.toUpperCase(), redact(message), { ...bound, ...fields }));
    },
    with: (fields) => build({ ...bound, ...fields }),
  });
  return build({});
}

function formatTextLine(time: string, level: string, message: string, fields: LogFields): string {
  const rest = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [` ${quote(name)}=${quote(textOf(name, value))}`],
  );
  return `time=${time} level=${level} msg=${quote(message)}${rest.join('')}\n`;
}

function formatJSONLine(time: string, level: string, message: string, fields: LogFields): string {
  const rest = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, jsonValue(name, value)] as const]));
  return `${JSON.stringify({ time, level, msg: message, ...Object.fromEntries(rest) })}\n`;
}

/** slog quotes what would break `key=value`: empty text, blanks, quotes, equals signs, anything not printable. */
function quote(text: string): string {
  return text === '' || /[\s"=\\\p{C}]/u.test(text) ? JSON.stringify(text) : text;
}

function textOf(name: string, value: unknown): string {
  if (isErrorData(value))
    return redact(
      `${value.code}: ${value.message}${value.cause === undefined || value.message.includes(value.cause) ? '' : `: ${value.cause}`}`,
    );
  const plain = jsonValue(name, value);
  return typeof plain === 'string' ? plain : JSON.stringify(plain);
}

function isErrorData(value: unknown): value is ErrorData {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value && !(value instanceof Error);
}

function jsonValue(name: string, value: unknown): unknown {
  if (SECRET_NAME.test(name)) return '***';
  if (typeof value === 'string') return redact(value);
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Error) return redact(errorText(value));
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => jsonValue('', item));
  if ('toJSON' in value && typeof value.toJSON === 'function') return jsonValue(name, value.toJSON());
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, jsonValue(key, member)]));
}

/** Message and causes in one line. */
function errorText(error: Error): string {
  if (!(error instanceof LitestreamError)) return error.message;
  const data = errorToData(error);
  return data.cause === undefined ? data.message : `${data.message}: ${data.cause}`;
}
