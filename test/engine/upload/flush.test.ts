import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { SYNC_INTERVAL_MS, type UploadSetup, uploadSetup } from './setup.ts';

const failing = (times: number) =>
  ({ on: 'put', times, fault: { type: 'error', error: new LitestreamError('STORAGE_UNAVAILABLE', 'connection reset') } }) as const;

describe('flush', () => {
  let at: UploadSetup;
  beforeEach(async () => {
    at = await uploadSetup({ maxSyncFiles: 2 });
    at.uploader.start();
    await at.quiet();
  });
  afterEach(() => at.dispose());

  test('resolves at once when everything is there', async () => {
    await at.uploader.flush();
    at.store.calls.length = 0;
    await at.uploader.flush();
    expect(at.store.calls).toEqual([]);
  });

  test('sends everything that is durable without waiting for the interval, told of or not', async () => {
    await at.commit(1);
    await at.publish(2, 3, 4, 5);
    await at.uploader.flush();
    expect(at.uploader.position).toBe(toTXID(5));
    expect(await at.remote()).toEqual([1, 2, 3, 4, 5]);
  });

  test('retries at its own distance until it succeeds', async () => {
    await at.publish(1);
    at.store.script(failing(3));
    const flushed = at.uploader.flush({ retryIntervalMs: 500, deadlineMs: 30_000 });
    for (let i = 1; i <= 3; i++) {
      await at.happens('failed', i);
      await at.quiet();
      await at.clock.advance(500);
    }
    await flushed;
    expect(at.uploader.position).toBe(toTXID(1));
  });

  test('rejects with NOT_REPLICATED and the last failure at its deadline', async () => {
    await at.publish(1);
    at.store.script(failing(1000));
    const flushed = at.uploader.flush({ retryIntervalMs: 500, deadlineMs: 2000 }).catch((error: unknown) => error);
    for (let i = 1; i <= 4; i++) {
      await at.happens('failed', i);
      await at.quiet();
      await at.clock.advance(500);
    }
    expect(await flushed).toMatchObject({ code: 'NOT_REPLICATED', details: { files: 1, last: { code: 'STORAGE_UNAVAILABLE' } } });
    expect(at.store.count('put')).toBeGreaterThanOrEqual(4);
  });

  test('its deadline also ends the wait for an upload that hangs', async () => {
    await at.publish(1);
    at.store.script({ on: 'put', fault: { type: 'hang' } });
    const flushed = at.uploader.flush({ deadlineMs: 2000 }).catch((error: unknown) => error);
    while (at.store.count('put') === 0) await at.quiet();
    await at.clock.advance(2000);
    expect(await flushed).toMatchObject({ code: 'NOT_REPLICATED' });
  });

  test('with a deadline of 0 makes one attempt', async () => {
    await at.publish(1);
    at.store.script(failing(1));
    await expect(at.uploader.flush({ deadlineMs: 0 })).rejects.toMatchObject({ code: 'NOT_REPLICATED' });
    expect(at.store.count('put')).toBe(1);
    at.uploader.retryNow();
    await at.reaches(1);
    await at.publish(2, 3, 4, 5, 6);
    await at.uploader.flush({ deadlineMs: 0 });
    expect(at.uploader.position).toBe(toTXID(6));
  });

  test('is cancelled by its signal with the reason', async () => {
    await at.publish(1);
    at.store.script({ on: 'put', fault: { type: 'hang' } });
    const controller = new AbortController();
    const flushed = at.uploader.flush({ signal: controller.signal });
    while (at.store.count('put') === 0) await at.quiet();
    const reason = new Error('second interrupt');
    controller.abort(reason);
    await expect(flushed).rejects.toBe(reason);
  });

  test('does not call a replica that is ahead replicated', async () => {
    const other = await uploadSetup();
    try {
      await other.putRemote(10, { full: true });
      await other.publish(1);
      other.uploader.start();
      await other.happens('ahead');
      await other.quiet();
      await expect(other.uploader.flush({ deadlineMs: 0 })).rejects.toMatchObject({ code: 'NOT_REPLICATED' });
      const flushed = other.uploader.flush({ deadlineMs: 60_000 });
      await other.commit(11, { full: true });
      await other.clock.advance(SYNC_INTERVAL_MS);
      await flushed;
      expect(other.uploader.position).toBe(toTXID(11));
    } finally {
      await other.dispose();
    }
  });

  test('ends with NOT_REPLICATED when the uploader is closed meanwhile', async () => {
    await at.publish(1);
    at.store.script({ on: 'put', fault: { type: 'hang' } });
    const flushed = at.uploader.flush().catch((error: unknown) => error);
    while (at.store.count('put') === 0) await at.quiet();
    await at.uploader.close();
    expect(await flushed).toMatchObject({ code: 'NOT_REPLICATED' });
  });
});
