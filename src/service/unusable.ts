/** Databases whose settings turn out to be unusable when they are first put to use: the others do not have to wait for them. */

import { type ErrorData, errorToData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { DatabaseEntry, DisabledDatabase } from './options.ts';

interface Failure {
  readonly entry: DatabaseEntry;
  readonly error: unknown;
}

/**
 * What could be made of each entry, and those of which nothing could, without their replicas, behind those that are `disabled` already. Rejects with all failures when `strict`, when nothing
 * could be made of any entry, and for a failure that is not ours.
 */
export async function makeAll<T>(
  entries: readonly DatabaseEntry[],
  make: (entry: DatabaseEntry) => Promise<T>,
  {
    strict = false,
    disabled = [],
    log,
  }: { readonly strict?: boolean; readonly disabled?: readonly DisabledDatabase[]; readonly log: Logger },
): Promise<{ readonly made: readonly (readonly [DatabaseEntry, T])[]; readonly disabled: readonly DisabledDatabase[] }> {
  const made: (readonly [DatabaseEntry, T])[] = [];
  const failures: Failure[] = [];
  const results = await Promise.allSettled(entries.map(make));
  for (const [index, entry] of entries.entries()) {
    const result = results[index];
    if (result?.status === 'fulfilled') made.push([entry, result.value]);
    else failures.push({ entry, error: result?.reason });
  }
  const [first] = failures;
  const foreign = failures.find(({ error }) => !(error instanceof LitestreamError));
  if (foreign !== undefined) throw foreign.error;
  if (first !== undefined && (strict || made.length === 0)) throw failures.length === 1 ? first.error : together(failures);
  const all = [...disabled, ...failures.map(disabledBy)];
  for (const { settings, reason } of all)
    log.log('error', 'the database is disabled', { db: settings.path, code: reason.code, error: reason.message });
  return { made, disabled: all };
}

function together(failures: readonly Failure[]): LitestreamError {
  const lines = failures.map(({ entry, error }) => `  ${entry.settings.path}: ${errorToData(error).message}`);
  return new LitestreamError(
    'CONFIG_INVALID',
    `${failures.length} databases cannot be replicated as they are configured:\n${lines.join('\n')}`,
  );
}

/** Its replicas are left out: nobody may open them. */
function disabledBy({ entry, error }: Failure): DisabledDatabase {
  const { code, message, hint } = errorToData(error);
  const reason: ErrorData = { code, message, ...(hint === undefined ? {} : { hint }) };
  return { settings: entry.settings, replicas: [], restoreIfMissing: false, reason };
}

/** Why nothing can be done with a disabled database. */
export function disabledError({ settings, reason }: DisabledDatabase): LitestreamError {
  return new LitestreamError(reason.code, `database ${settings.name} is disabled: ${reason.message}`, {
    ...(reason.hint === undefined ? {} : { hint: reason.hint }),
  });
}
