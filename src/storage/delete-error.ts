/** The one error of a deletion in which some failed. */

import { LitestreamError } from '../base/errors.ts';

/** @param failures error by key, at least one; the first decides about the code. @param total how many were to be deleted. */
export function deleteError(failures: ReadonlyMap<string, unknown>, total: number): LitestreamError {
  const [cause] = failures.values();
  const first = cause instanceof LitestreamError ? cause : undefined;
  const shown = first === undefined ? '' : `: ${first.message}`;
  return new LitestreamError(first?.code ?? 'STORAGE_UNAVAILABLE', `cannot delete ${failures.size} of ${total} files${shown}`, {
    cause,
    details: { ...first?.details, failed: [...failures.keys()] },
    ...(first?.hint === undefined ? {} : { hint: first.hint }),
  });
}
