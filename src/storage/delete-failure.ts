/** The one error of a deletion of which some keys are left. */

import { LitestreamError } from '../base/errors.ts';

/** Keys named in the message. */
const NAMED = 5;

/**
 * Names the keys that are left in `details.failed`, and the first few with their codes in the message. Its code is one that can be repeated if
 * any of them may succeed later.
 *
 * @param failures the error of each key that is left, at least one.
 * @param keys all that were to be deleted
 */
export function deleteFailure(failures: ReadonlyMap<string, unknown>, keys: readonly string[], destination: string): LitestreamError {
  const failed = keys.filter((key) => failures.has(key));
  const errors = failed.map((key) => ({ key, error: failures.get(key) }));
  const worst = (errors.find(({ error }) => isPassing(error)) ?? errors[0])?.error;
  const named = errors.slice(0, NAMED).map(({ key, error }) => `${key} (${providerCode(error)})`);
  const more = errors.length > NAMED ? ` and ${errors.length - NAMED} more` : '';
  const why = worst instanceof Error ? worst.message : String(worst);
  const message =
    keys.length === 1
      ? why
      : `cannot delete ${failed.length} of ${keys.length} objects in ${destination}: ${named.join(', ')}${more}; ${why}`;
  if (!(worst instanceof LitestreamError)) {
    return new LitestreamError('STORAGE_UNAVAILABLE', message, { cause: worst, details: { failed } });
  }
  const { key: _, ...shared } = { ...worst.details };
  return new LitestreamError(worst.code, message, {
    cause: worst.cause,
    details: { ...shared, failed },
    ...(worst.hint === undefined ? {} : { hint: worst.hint }),
  });
}

const isPassing = (error: unknown): boolean => error instanceof LitestreamError && error.disposition === 'retry';

/** As the service calls it, where it said something. */
const providerCode = (error: unknown): string =>
  error instanceof LitestreamError ? String(error.details?.provider ?? error.code) : 'STORAGE_UNAVAILABLE';
