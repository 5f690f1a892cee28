/** Why a database cannot be replicated before somebody changes something: then a start with nothing else to do is of no use (decision 35). */

import type { ErrorData } from '../base/errors.ts';
import type { DatabaseStatus } from './service.ts';

/** What an engine says of its database. */
const OF_THE_DATABASE: ReadonlySet<string> = new Set([
  'DB_OWNED',
  'DB_INVALID',
  'DB_NOT_WAL',
  'DB_CORRUPT',
  'SQLITE_INVALID',
  'SQLITE_TOO_OLD',
  'ACCESS_DENIED',
  'SECOND_WRITER',
]);

/** The database's own refusal, else that of its replicas when none of them can hold files of the form they are configured for (plain, encrypted). */
export function startRefusal({ state, engine, replicas }: DatabaseStatus): ErrorData | undefined {
  if (state !== 'failing') return undefined;
  if (engine.error !== undefined && OF_THE_DATABASE.has(engine.error.code)) return engine.error;
  const refusals = replicas.flatMap(({ lastError }) => (lastError?.error.code === 'NOT_SUPPORTED' ? [lastError.error] : []));
  return refusals.length === replicas.length ? refusals[0] : undefined;
}
