/** Turns engine errors into the error object a model can act on. */

import { randomBytes } from 'node:crypto';
import type { ErrorCode, ErrorData } from '../base/errors.ts';
import { ERROR_CODES, errorToData } from '../base/errors.ts';
import { mapStrings, tidy } from './json-values.ts';
import { clip } from './untrusted.ts';

export interface ToolError {
  readonly code: ErrorCode;
  readonly message: string;
  /** What the caller can do. */
  readonly fix: string;
  readonly retryable: boolean;
  readonly valid?: readonly string[];
  readonly details?: Readonly<Record<string, unknown>>;
  /** Joins the answer with the log and audit lines. */
  readonly ref: string;
}

/** Key of the error object in a result's `_meta`. */
export const ERROR_META_KEY = 'litestream/error';

const MAX_MESSAGE = 300;
const MAX_DETAILS = 500;
const MAX_VALID = 20;

const NEW_PLAN = 'Make a new plan with litestream_restore_plan and show it to the person.';
const REPLICA_SIDE = 'The problem is on the side of the replica; litestream_status shows how it goes on.';
const BAD_DATA = 'Choose another moment or another replica; litestream_points lists what can still be restored.';

/** What to do where the thrower gave no hint. */
const FIXES: Partial<Record<ErrorCode, string>> = {
  USAGE: 'Correct the argument named and call again.',
  DB_NOT_FOUND: 'Use one of the names in valid; litestream_databases lists them.',
  REPLICA_NOT_FOUND: 'Use one of the names in valid, or leave replica out.',
  DB_NOT_OPEN: 'Replication of this database is not running; litestream_status shows its state.',
  DAEMON_NOT_RUNNING: 'Ask the person to start it on the host: litestream replicate -config FILE',
  DAEMON_UNREACHABLE: 'The daemon owns the databases but does not answer; ask the person to look at its log, or try again shortly.',
  TX_NOT_AVAILABLE: 'Take one of the neighbours in details, or choose from litestream_points.',
  TIME_OUT_OF_RANGE: 'Choose a moment inside the window in details; litestream_points lists them.',
  NO_SNAPSHOT: 'There is nothing to restore from; litestream_generations shows what each replica holds.',
  OUTPUT_EXISTS: 'Choose another output name: existing files are never overwritten.',
  OUTPUT_IN_USE: 'Choose another output name.',
  OUTPUT_NOT_ALLOWED: 'Choose a new .db, .sqlite or .sqlite3 file inside one of the directories in valid.',
  PLAN_NOT_FOUND: NEW_PLAN,
  PLAN_EXPIRED: NEW_PLAN,
  PLAN_USED: NEW_PLAN,
  PLAN_CHANGED: NEW_PLAN,
  CONFIRMATION_DECLINED: 'The person said no and the plan is void. Ask what should be different.',
  CONFIRMATION_UNAVAILABLE: 'This client cannot ask a person; a person can restore on the host with the litestream command.',
  APPROVAL_PENDING: 'A person has to carry the restore out on the host.',
  READ_ONLY: 'The server is in read-only mode (mcp.read-only); a person can carry the step out on the host.',
  SCOPE_REQUIRED: 'The token of this connection does not have the scope named; its owner decides about that.',
  DB_BUSY: 'Try again shortly.',
  JOB_LIMIT: 'Wait for a running job; litestream_job lists yours.',
  RATE_LIMITED: 'Wait for the seconds in details, then call again.',
  TIMEOUT: 'Try again, or ask for less at once.',
  CANCELLED: 'The call was cancelled; call again if it is still wanted.',
  SHUTTING_DOWN: 'The server is stopping; call again when it is back.',
  STORAGE_UNAVAILABLE: REPLICA_SIDE,
  STORAGE_THROTTLED: REPLICA_SIDE,
  ACCESS_DENIED: 'The credentials of the replica do not allow this; a person has to correct them.',
  DISK_FULL: 'A person has to free space, or choose another output directory.',
  TOO_LARGE: 'Ask for less; the limit is in details.',
  LTX_CHECKSUM_MISMATCH: BAD_DATA,
  LTX_TRUNCATED: BAD_DATA,
  LTX_INVALID: BAD_DATA,
  LTX_GAP: BAD_DATA,
  LTX_MISSING: BAD_DATA,
  INTEGRITY_FAILED: BAD_DATA,
  PROOF_FAILED: BAD_DATA,
  DB_CORRUPT: 'The live database is damaged; the newest good moment is in litestream_points.',
};

const FALLBACK_FIX = 'Report the ref to the person who runs the server; the log has the cause under it.';

/** What may be shown of anything thrown. Causes and unknown texts stay in the log. */
export function toToolError(error: unknown): ToolError {
  const data = errorToData(error);
  const { valid, ...details } = data.details ?? {};
  return {
    code: data.code,
    message: clip(tidy(data.code === 'INTERNAL' ? 'The server failed unexpectedly.' : data.message), MAX_MESSAGE),
    fix: clip(tidy(fixFor(data)), MAX_MESSAGE),
    retryable: data.code === 'INTERNAL' || ERROR_CODES[data.code].disposition === 'retry',
    ...(Array.isArray(valid) ? { valid: valid.slice(0, MAX_VALID).map((name) => clip(tidy(String(name)), 120)) } : {}),
    ...detailsOf(data.code, details),
    ref: `e-${randomBytes(4).toString('hex')}`,
  };
}

function fixFor(data: ErrorData): string {
  if (data.code === 'INTERNAL') return FALLBACK_FIX;
  // Hints of plans speak of verbs; a model knows tools.
  const ours = FIXES[data.code];
  return (data.code.startsWith('PLAN_') ? ours : undefined) ?? data.hint ?? ours ?? FALLBACK_FIX;
}

function detailsOf(code: ErrorCode, details: Record<string, unknown>): { details?: Record<string, unknown> } {
  if (code === 'INTERNAL' || Object.keys(details).length === 0) return {};
  const shown = mapStrings(details, tidy);
  return JSON.stringify(shown).length <= MAX_DETAILS ? { details: shown as Record<string, unknown> } : {};
}
