/**
 * The one error class of the product and the table of its codes.
 *
 * A code's disposition is what callers act on: retry wrappers, back-off loops and exit codes read it and never the text of a message.
 */

/** What the caller of a failed operation may do next. */
export type Disposition =
  /** The same call may succeed later. */
  | 'retry'
  /** Local replication state has to be rebuilt, usually by a full file. */
  | 'reset'
  /** The caller has to change something first. */
  | 'refuse'
  /** Nothing in this process can make it succeed. */
  | 'fatal';

/** Process exit codes (decision 21). */
export const EXIT = { ok: 0, failed: 1, usage: 2, config: 3, nothing: 4, unreplicated: 5 } as const;

interface CodeEntry {
  readonly disposition: Disposition;
  readonly exit: number;
}

const entry = (disposition: Disposition, exit: number = EXIT.failed): CodeEntry => ({ disposition, exit });

/** Every error code with its disposition and exit status; docs/errors.md has a paragraph for each. */
export const ERROR_CODES = {
  // formats
  LTX_INVALID: entry('reset'),
  LTX_CHECKSUM_MISMATCH: entry('reset'),
  LTX_TRUNCATED: entry('reset'),
  WAL_INVALID: entry('reset'),
  SQLITE_INVALID: entry('refuse'),
  LEGACY_INVALID: entry('refuse'),
  IDENTITY_REQUIRED: entry('refuse'),
  // storage
  STORAGE_UNAVAILABLE: entry('retry'),
  STORAGE_THROTTLED: entry('retry'),
  READ_TRUNCATED: entry('retry'),
  RESPONSE_INVALID: entry('retry'),
  STORAGE_FULL: entry('retry'),
  OBJECT_NOT_FOUND: entry('refuse', EXIT.nothing),
  CONTAINER_NOT_FOUND: entry('refuse'),
  ACCESS_DENIED: entry('refuse'),
  CREDENTIALS_INVALID: entry('refuse'),
  ENDPOINT_UNTRUSTED: entry('refuse'),
  OBJECT_ARCHIVED: entry('refuse'),
  PRECONDITION_FAILED: entry('refuse'),
  NOT_SUPPORTED: entry('refuse'),
  // the live database
  DB_NOT_FOUND: entry('refuse', EXIT.nothing),
  DB_NOT_READY: entry('retry'),
  DB_BUSY: entry('retry'),
  DB_NOT_OPEN: entry('refuse'),
  DB_INVALID: entry('refuse'),
  DB_NOT_WAL: entry('refuse'),
  DB_CORRUPT: entry('fatal'),
  DB_OWNED: entry('refuse'),
  DISK_FULL: entry('retry'),
  SQLITE_TOO_OLD: entry('fatal'),
  // replication
  POSITION_MISMATCH: entry('reset'),
  LTX_MISSING: entry('reset'),
  LTX_GAP: entry('reset'),
  PAGE_MISSING: entry('reset'),
  SECOND_WRITER: entry('fatal'),
  LEASE_HELD: entry('refuse'),
  LEASE_LOST: entry('refuse'),
  REPLICA_NOT_FOUND: entry('refuse', EXIT.nothing),
  NOT_REPLICATED: entry('retry', EXIT.unreplicated),
  BACKLOG_EXCEEDED: entry('retry'),
  PROOF_FAILED: entry('reset'),
  // restore
  TX_NOT_AVAILABLE: entry('refuse', EXIT.nothing),
  TIME_OUT_OF_RANGE: entry('refuse', EXIT.nothing),
  NO_SNAPSHOT: entry('refuse', EXIT.nothing),
  OUTPUT_EXISTS: entry('refuse'),
  OUTPUT_IN_USE: entry('refuse'),
  OUTPUT_NOT_ALLOWED: entry('refuse'),
  NOTHING_TO_UNDO: entry('refuse', EXIT.nothing),
  INTEGRITY_FAILED: entry('refuse'),
  TOO_LARGE: entry('refuse'),
  // configuration and usage
  CONFIG_INVALID: entry('refuse', EXIT.config),
  CONFIG_NOT_FOUND: entry('refuse', EXIT.config),
  USAGE: entry('refuse', EXIT.usage),
  // the daemon and its doors
  DAEMON_NOT_RUNNING: entry('refuse'),
  DAEMON_UNREACHABLE: entry('retry'),
  ADDRESS_IN_USE: entry('refuse'),
  ENGINE_STOPPED: entry('retry'),
  // authorisation, plans, jobs
  READ_ONLY: entry('refuse'),
  SCOPE_REQUIRED: entry('refuse'),
  UNAUTHORIZED: entry('refuse'),
  AUDIT_UNAVAILABLE: entry('refuse'),
  PLAN_NOT_FOUND: entry('refuse'),
  PLAN_EXPIRED: entry('refuse'),
  PLAN_USED: entry('refuse'),
  PLAN_CHANGED: entry('refuse'),
  CONFIRMATION_DECLINED: entry('refuse'),
  CONFIRMATION_UNAVAILABLE: entry('refuse'),
  APPROVAL_PENDING: entry('retry'),
  JOB_LIMIT: entry('retry'),
  RATE_LIMITED: entry('retry'),
  // everything else
  TIMEOUT: entry('retry'),
  CANCELLED: entry('retry'),
  SHUTTING_DOWN: entry('retry'),
  INTERNAL: entry('fatal'),
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Data that goes with an error: JSON values only, never a secret. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
  /** The next step for a person, as a sentence. */
  readonly hint?: string;
}

/** The error every room throws. The message says what was being done to what. */
export class LitestreamError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LitestreamError';
    this.code = code;
    this.details = options.details;
    this.hint = options.hint;
  }

  get disposition(): Disposition {
    return ERROR_CODES[this.code].disposition;
  }
}

/** True when `error` carries `code`. */
export function hasCode(error: unknown, code: ErrorCode): error is LitestreamError {
  return error instanceof LitestreamError && error.code === code;
}

/** An error as data, for worker messages, the control socket and JSON output. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly details?: ErrorDetails;
  readonly cause?: string;
}

/** Turns anything thrown into data; what is not ours becomes INTERNAL and keeps its text as the cause. */
export function errorToData(error: unknown): ErrorData {
  if (error instanceof LitestreamError) {
    return {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.details === undefined ? {} : { details: error.details }),
      ...(error.cause === undefined ? {} : { cause: causeText(error.cause) }),
    };
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return { code: 'CANCELLED', message: 'the operation was cancelled' };
  }
  return { code: 'INTERNAL', message: 'unexpected failure', cause: causeText(error) };
}

/** Rebuilds an error from data, so that it can be thrown again on this side of a thread or socket. */
export function errorFromData(data: ErrorData): LitestreamError {
  return new LitestreamError(data.code, data.message, {
    ...(data.hint === undefined ? {} : { hint: data.hint }),
    ...(data.details === undefined ? {} : { details: data.details }),
    ...(data.cause === undefined ? {} : { cause: new Error(data.cause) }),
  });
}

function causeText(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const inner = cause.cause === undefined ? '' : `: ${causeText(cause.cause)}`;
  return cause.message + inner;
}
