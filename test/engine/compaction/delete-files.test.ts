import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { deleteFiles } from '../../../src/engine/compaction/delete-files.ts';
import { pathLayout } from '../../../src/replica/layout.ts';
import { listLevel } from '../../../src/replica/list-level.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { CallOptions, ObjectStore, StoreCapabilities } from '../../../src/storage/object-store.ts';
import { WrappedStore } from '../../../src/storage/wrap/wrapped-store.ts';
import { info } from '../restore/listing.ts';

/** Deletes three keys a request, and not those it is told to refuse. */
class SmallBatches extends WrappedStore {
  override readonly capabilities: StoreCapabilities;
  readonly requests: number[] = [];
  refuse: readonly string[] = [];
  error = new LitestreamError('STORAGE_UNAVAILABLE', 'nobody answers');

  constructor(inner: ObjectStore) {
    super(inner);
    this.capabilities = { ...inner.capabilities, maxDeleteBatch: 3 };
  }

  override async delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    this.requests.push(keys.length);
    const failed = keys.filter((key) => this.refuse.some((part) => key.includes(part)));
    await this.inner.delete(
      keys.filter((key) => !failed.includes(key)),
      options,
    );
    if (failed.length > 0) throw new LitestreamError(this.error.code, this.error.message, { details: { failed } });
  }
}

async function scene() {
  const store = new SmallBatches(new MemoryStore());
  const replica = new Replica(store, pathLayout);
  const files = Array.from({ length: 8 }, (_, at) => info(0, at + 1, at + 1));
  for (const { maxTXID } of files) await replica.write(0, maxTXID, maxTXID, bytesBody(new Uint8Array(120)), { createdAt: 1 });
  const left = async () => (await listLevel(replica, 0)).map(({ maxTXID }) => Number(maxTXID));
  return { store, replica, files, left };
}

describe('deleting', () => {
  test('asks no more keys of a request than the store takes, and nothing for no files', async () => {
    const { store, replica, files, left } = await scene();
    expect(await deleteFiles(replica, [])).toEqual({ deleted: [], failed: [] });
    expect(store.requests).toEqual([]);
    expect((await deleteFiles(replica, files)).deleted).toEqual(files);
    expect(store.requests).toEqual([3, 3, 2]);
    expect(await left()).toEqual([]);
  });

  test('counts a missing file as deleted', async () => {
    const { replica, files } = await scene();
    await replica.delete(files.slice(0, 2));
    expect(await deleteFiles(replica, files)).toEqual({ deleted: files, failed: [] });
  });

  test('reports the files that could not be deleted, and goes on with the others (row 79)', async () => {
    const { store, replica, files, left } = await scene();
    store.refuse = ['0000000000000002.ltx', '0000000000000005.ltx'];
    const { deleted, failed, error } = await deleteFiles(replica, files);
    expect(error?.code).toBe('STORAGE_UNAVAILABLE');
    expect(failed.map(({ maxTXID }) => maxTXID)).toEqual([2n, 5n]);
    expect(deleted).toHaveLength(6);
    expect(await left()).toEqual([2, 5]);
  });

  test('stops asking when only a person can help', async () => {
    const { store, replica, files, left } = await scene();
    store.refuse = ['0000000000000002.ltx'];
    store.error = new LitestreamError('ACCESS_DENIED', 'not allowed');
    const { failed, error } = await deleteFiles(replica, files);
    expect(error?.code).toBe('ACCESS_DENIED');
    expect(store.requests).toEqual([3]);
    expect(failed.map(({ maxTXID }) => maxTXID)).toEqual([2n, 4n, 5n, 6n, 7n, 8n]);
    expect(await left()).toEqual([2, 4, 5, 6, 7, 8]);
  });

  test('deletes nothing once writes are fenced off', async () => {
    const { store, replica, files } = await scene();
    replica.guardWrites(() => {
      throw new LitestreamError('SECOND_WRITER', 'the lease is lost');
    });
    const { deleted, failed, error } = await deleteFiles(replica, files);
    expect(error?.code).toBe('SECOND_WRITER');
    expect(deleted).toEqual([]);
    expect(failed).toEqual(files);
    expect(store.requests).toEqual([]);
  });

  test('ends with the reason of its signal', async () => {
    const { replica, files } = await scene();
    const reason = new Error('enough');
    await expect(deleteFiles(replica, files, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
