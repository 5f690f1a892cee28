/** The one error of a deletion of which some keys are left. */

import { type ErrorCode, LitestreamError } from '../base/errors.ts';

/** Keys named in the message. */
const NAMED = 5;

/**
 * Names the keys that are left in `details.failed`, and the first few with their codes in the message. Its code is one that can be repeated if
 * any of them may succeed later.
 *
 * @param failures the error of each key that is left, at least one.
 */
export function deleteFailure(failures: ReadonlyMap<string, unknown>, total: number, destination: string): LitestreamError {
  const errors = [...failures].map(([key, error]) => ({ key, error }));
  const worst = errors.find(({ error }) => isPassing(error)) ?? errors[0];
  const named = errors.slice(0, NAMED).map(({ key, error }) => `${key} (${codeOf(error)})`);
  const more = errors.length > NAMED ? ` and ${errors.length - NAMED} more` : '';
  const cause = worst?.error;
  const { key: _, ...shared } = cause instanceof LitestreamError ? { ...cause.details } : {};
  return new LitestreamError(
    codeOf(cause),
    `cannot delete ${failures.size} of ${total} objects in ${destination}: ${named.join(', ')}${more}`,
    {
      cause,
      details: { ...shared, failed: [...failures.keys()] },
      ...(cause instanceof LitestreamError && cause.hint !== undefined ? { hint: cause.hint } : {}),
    },
  );
}

const isPassing = (error: unknown): boolean => error instanceof LitestreamError && error.disposition === 'retry';
const codeOf = (error: unknown): ErrorCode => (error instanceof LitestreamError ? error.code : 'STORAGE_UNAVAILABLE');
