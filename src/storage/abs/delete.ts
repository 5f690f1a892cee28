/** Deleting blobs: in batches where the service and the credentials allow that, one by one otherwise. */

import type { ContainerClient } from '@azure/storage-blob';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';

/** The service's own limit of one batch. */
export const BATCH_KEYS = 256;
/** Fewer are not worth a batch, which is two round trips where it is refused. */
const SMALLEST_BATCH = 8;
const SINGLES_AT_ONCE = 16;

export interface Deletion {
  readonly container: ContainerClient;
  readonly signal: AbortSignal | undefined;
  /** Runs one request and gives its failure our code. */
  readonly request: <T>(key: string, send: () => Promise<T>) => Promise<T>;
}

/** Deletes with memory of whether batches work here: a SAS may lack the permission, a lookalike the operation. */
export class Deleter {
  #batches = true;

  /** Tries every key; missing ones count as deleted. Returns those that could not be deleted with the error of each. */
  async delete(keys: readonly string[], deletion: Deletion): Promise<ReadonlyMap<string, unknown>> {
    const failures = new Map<string, unknown>();
    for (let at = 0; at < keys.length; at += BATCH_KEYS) {
      deletion.signal?.throwIfAborted();
      const batch = keys.slice(at, at + BATCH_KEYS);
      const left = this.#batches && batch.length >= SMALLEST_BATCH ? await this.#inBatch(batch, deletion) : batch;
      await oneByOne(left, deletion, failures);
    }
    return failures;
  }

  /** The keys of which a batch did not say that they are gone; each is asked for again, alone. */
  async #inBatch(keys: readonly string[], { container, signal, request }: Deletion): Promise<readonly string[]> {
    try {
      const client = container.getBlobBatchClient();
      const batch = client.createBatch();
      for (const key of keys) await batch.deleteBlob(container.getBlobClient(key));
      // Not the client's own deleteBlobs: it keeps the signal from the one request that matters.
      const options = signal === undefined ? {} : { abortSignal: signal };
      const { subResponses } = await request('', () => client.submitBatch(batch, options));
      return keys.filter((_, i) => {
        const answer = subResponses[i];
        return answer === undefined || (answer.status !== 202 && answer.errorCode !== 'BlobNotFound');
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (hasCode(error, 'CONTAINER_NOT_FOUND')) throw error;
      // A failure that passes says nothing about batches.
      if (!(error instanceof LitestreamError) || error.disposition !== 'retry' || error.code === 'RESPONSE_INVALID') this.#batches = false;
      return keys;
    }
  }
}

async function oneByOne(keys: readonly string[], { container, signal, request }: Deletion, failures: Map<string, unknown>): Promise<void> {
  const slots = new Semaphore(SINGLES_AT_ONCE);
  const options = signal === undefined ? {} : { abortSignal: signal };
  const remove = async (key: string): Promise<void> => {
    try {
      await slots.run(() => request(key, () => container.getBlobClient(key).delete(options)), signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!hasCode(error, 'OBJECT_NOT_FOUND')) failures.set(key, error);
    }
  };
  await Promise.all(keys.map(remove));
}
