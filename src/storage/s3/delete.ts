/** Deleting many objects, all of them tried, each failure told. */

import { DeleteObjectCommand, DeleteObjectsCommand, type DeleteObjectsCommandOutput } from '@aws-sdk/client-s3';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { deleteFailure } from '../delete-failure.ts';
import type { CallOptions } from '../object-store.ts';
import { s3Error } from './errors.ts';
import type { Session } from './session.ts';

/** What the service takes in one request. */
export const MAX_DELETE_BATCH = 1000;
const SINGLES_IN_FLIGHT = 16;

export class Deleter {
  readonly #session: Session;
  readonly #bucket: string;
  #batches: boolean;

  /** @param batches false when the service is known not to take many keys at once; otherwise that is found out and remembered. */
  constructor(session: Session, bucket: string, batches: boolean) {
    this.#session = session;
    this.#bucket = bucket;
    this.#batches = batches;
  }

  /** Fails after the last batch, with every key that is still there in `details.failed`. */
  async delete(keys: readonly string[], { signal }: CallOptions): Promise<void> {
    const failures = new Map<string, LitestreamError>();
    for (let at = 0; at < keys.length; at += MAX_DELETE_BATCH) {
      signal?.throwIfAborted();
      const batch = keys.slice(at, at + MAX_DELETE_BATCH);
      try {
        await this.#deleteBatch(batch, failures, signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof LitestreamError)) throw error;
        for (const key of batch) failures.set(key, error);
      }
    }
    if (failures.size === 0) return;
    const { bucket, host } = this.#session.attempt({ operation: 'delete' });
    throw deleteFailure(failures, keys, `s3://${bucket} at ${host}`);
  }

  async #deleteBatch(keys: readonly string[], failures: Map<string, LitestreamError>, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#batches) return this.#deleteSingly(keys, failures, signal);
    try {
      const command = new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } });
      const answer = await this.#session.call({ operation: 'delete', signal }, (client, options) => client.send(command, options));
      this.#readAnswer(keys, answer, failures);
    } catch (error) {
      if (!hasCode(error, 'NOT_SUPPORTED')) throw error;
      this.#batches = false;
      await this.#deleteSingly(keys, failures, signal);
    }
  }

  #readAnswer(
    keys: readonly string[],
    { Deleted = [], Errors = [] }: DeleteObjectsCommandOutput,
    failures: Map<string, LitestreamError>,
  ): void {
    const left = new Set(keys);
    for (const { Key } of Deleted) if (Key !== undefined) left.delete(Key);
    for (const { Key, Code, Message } of Errors) {
      if (Key === undefined) continue;
      left.delete(Key);
      if (Code === 'NoSuchKey') continue;
      const failure = Object.assign(new Error(Message ?? ''), {
        Code,
        $metadata: { httpStatusCode: Code === undefined ? 500 : undefined },
      });
      failures.set(Key, s3Error(failure, this.#session.attempt({ operation: 'delete', key: Key })));
    }
    for (const key of left) failures.set(key, this.#session.unintelligible({ operation: 'delete', key }, 'it does not mention the object'));
  }

  async #deleteSingly(keys: readonly string[], failures: Map<string, LitestreamError>, signal: AbortSignal | undefined): Promise<void> {
    const queue = keys.values();
    const work = async () => {
      for (const key of queue) {
        try {
          const command = new DeleteObjectCommand({ Bucket: this.#bucket, Key: key });
          await this.#session.call({ operation: 'delete', key, signal }, (client, options) => client.send(command, options));
        } catch (error) {
          signal?.throwIfAborted();
          if (!(error instanceof LitestreamError)) throw error;
          if (error.code !== 'OBJECT_NOT_FOUND') failures.set(key, error);
        }
      }
    };
    await Promise.all(Array.from({ length: SINGLES_IN_FLIGHT }, work));
  }
}
