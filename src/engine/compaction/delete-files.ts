/** The one place where files of a replica are deleted (docs/engine.md, Retention). */

import { errorToData, LitestreamError } from '../../base/errors.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import type { Replica } from '../../replica/replica.ts';

export interface Deletion {
  readonly deleted: readonly FileInfo[];
  /** Still there as far as is known; `error` says why. */
  readonly failed: readonly FileInfo[];
  readonly error?: LitestreamError;
}

/** What one request of a store without a bound of its own may delete. */
const MOST = 1000;

/**
 * Deletes `files` in their order, in batches that the store takes in one request; a missing file counts as deleted. A batch that fails
 * does not keep the next from being tried, unless its error asks for a person. Rejects with `signal.reason` only.
 */
export async function deleteFiles(replica: Replica, files: readonly FileInfo[], signal?: AbortSignal): Promise<Deletion> {
  const most = Math.max(1, Math.min(MOST, replica.store.capabilities.maxDeleteBatch));
  const deleted: FileInfo[] = [];
  const failed: FileInfo[] = [];
  let failure: LitestreamError | undefined;
  for (let at = 0; at < files.length; at += most) {
    signal?.throwIfAborted();
    const batch = files.slice(at, at + most);
    if (failure !== undefined && failure.disposition !== 'retry') {
      failed.push(...batch);
      continue;
    }
    try {
      await replica.delete(batch, signal === undefined ? {} : { signal });
      deleted.push(...batch);
    } catch (error) {
      signal?.throwIfAborted();
      failure ??= asFailure(error);
      const left = failedOf(replica, batch, error);
      failed.push(...left);
      deleted.push(...batch.filter((file) => !left.includes(file)));
    }
  }
  return { deleted, failed, ...(failure === undefined ? {} : { error: failure }) };
}

/** The files of a batch that an error names; all of them when it names none. */
function failedOf(replica: Replica, batch: readonly FileInfo[], error: unknown): readonly FileInfo[] {
  const keys = error instanceof LitestreamError ? error.details?.failed : undefined;
  if (!Array.isArray(keys) || keys.length === 0) return batch;
  const named = new Set<unknown>(keys);
  return batch.filter((file) => named.has(replica.key(file.level, file)));
}

function asFailure(error: unknown): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const { code, message } = errorToData(error);
  return new LitestreamError(code, `deleting files that have outlived their use: ${message}`, { cause: error });
}
