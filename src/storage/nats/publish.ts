/** Makes an object visible: its record replaces exactly the one that was seen before, or nobody's. */

import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import type { Bucket } from './bucket.ts';
import { API_ERROR, JetStreamError } from './errors.ts';
import type { FoundRecord } from './listing.ts';
import { chunkSubject, recordSubject } from './object-info.ts';

/** What has to be there for a put: nothing, whatever, or one version. */
export type PutCondition = 'absent' | 'any' | { readonly tag: string };

/** Rounds against writers who are faster each time. */
const ROUNDS = 20;
/** Rounds after answers that were lost. */
const LOST_ANSWERS = 3;

interface Publication {
  readonly key: string;
  readonly nuid: string;
  readonly record: Uint8Array;
  readonly condition: PutCondition;
  readonly signal: AbortSignal | undefined;
}

/** PRECONDITION_FAILED unless `current` is what the condition asks for. */
export function checkCurrent(key: string, condition: PutCondition, current: FoundRecord | undefined): void {
  if (condition === 'any') return;
  const exists = current !== undefined && !current.record.deleted;
  if (condition === 'absent' ? !exists : exists && String(current.sequence) === condition.tag) return;
  const reason = condition === 'absent' ? 'it exists already' : 'it is another version or gone';
  throw new LitestreamError('PRECONDITION_FAILED', `cannot write ${key}: ${reason}`);
}

/**
 * Returns the new version. An answer that is lost is looked for: the record says whose it is. The chunks of what was replaced, or of a writer
 * who lost for certain, are handed to `remove`; chunks of which nobody knows are kept, because a record may still refer to them.
 */
export async function publishRecord(
  bucket: Bucket,
  publication: Publication,
  remove: (removal: () => Promise<void>) => void,
): Promise<number> {
  const { nuid } = publication;
  const state: PublicationState = { replaced: undefined, doubtful: false };
  try {
    const stored = await publish(bucket, publication, state);
    const { replaced } = state;
    if (replaced !== undefined && replaced !== nuid) await bucket.jetStream.purge(chunkSubject(bucket.name, replaced)).catch(() => {}); // costs only space
    return stored;
  } catch (error) {
    if (!state.doubtful) remove(() => bucket.jetStream.purge(chunkSubject(bucket.name, nuid)));
    throw error;
  }
}

interface PublicationState {
  /** Chunks of the object that was replaced. */
  replaced: string | undefined;
  /** Whether the record may have been stored, or may yet be. */
  doubtful: boolean;
}

async function publish(bucket: Bucket, publication: Publication, state: PublicationState): Promise<number> {
  const { key, nuid, record, condition, signal } = publication;
  // A create-only write needs no look before: the server refuses it when there is anything.
  let current = condition === 'absent' ? undefined : await bucket.find(key, signal);
  for (let round = 1, lost = 0; ; round++) {
    if (state.doubtful && current?.record.nuid === nuid) return current.sequence;
    checkCurrent(key, condition, current);
    signal?.throwIfAborted();
    const expectedLast = current?.sequence ?? 0;
    try {
      state.doubtful = true;
      state.replaced = current?.record.deleted === false ? current.record.nuid : undefined;
      return await bucket.jetStream.publish(recordSubject(bucket.name, key), record, { rollup: true, expectedLast, signal });
    } catch (error) {
      const overtaken = error instanceof JetStreamError && error.errorCode === API_ERROR.wrongLastSequence;
      if (lost === 0) state.doubtful = !isRefusal(error);
      const again = overtaken ? round < ROUNDS : !isRefusal(error) && signal?.aborted !== true && ++lost <= LOST_ANSWERS;
      if (!again) throw error;
      current = await bucket.find(key, signal);
      // Another record stands where ours would have had to be the next: ours can never be stored any more.
      if (current?.record.nuid !== nuid && (current?.sequence ?? 0) !== expectedLast) {
        state.doubtful = false;
        lost = 0;
      }
    }
  }
}

/** Errors after which the record was not stored for certain. */
function isRefusal(error: unknown): boolean {
  if (error instanceof JetStreamError || error instanceof LitestreamError) return true;
  const code = error instanceof Error ? systemCode(error) : undefined;
  return code === 'PERMISSIONS_VIOLATION' || code === '503' || code === 'MAX_PAYLOAD_EXCEEDED';
}
