import { beforeEach, describe, expect, test } from 'vitest';
import { type ErrorCode, LitestreamError } from '../../../src/base/errors.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { OpenOptions } from '../../../src/storage/object-store.ts';
import { ResumableReadStore } from '../../../src/storage/wrap/resumable-read.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { getBytes, patternBytes, putBytes } from '../contract/bodies.ts';

const SIZE = 300_000;
const SETTINGS = { attempts: 3, initialMs: 250, capMs: 5000, jitter: 0, stallMs: 30_000 };
const error = (code: ErrorCode) => new LitestreamError(code, 'scripted');

describe('resumable read', () => {
  let clock: FakeClock;
  let faults: FaultStore;
  let store: ResumableReadStore;
  const bytes = patternBytes(SIZE);
  beforeEach(async () => {
    clock = new FakeClock();
    faults = new FaultStore(new MemoryStore());
    store = new ResumableReadStore(faults, { settings: SETTINGS, clock });
    await putBytes(faults, 'big', bytes);
    faults.calls.length = 0;
  });

  /** Reads while time passes. */
  async function read(options: OpenOptions = {}): Promise<Uint8Array> {
    const reading = getBytes(store, 'big', options);
    let done = false;
    const end = () => {
      done = true;
    };
    reading.then(end, end);
    while (!done) {
      await settle(5);
      if (!done) await clock.advance(Math.min(clock.nextDelay ?? 0, SETTINGS.stallMs));
    }
    return reading;
  }

  const offsets = () => faults.calls.map(({ offset }) => offset ?? 0);

  test('goes on at the byte where the connection broke', async () => {
    faults.script(
      { on: 'open', fault: { type: 'broken', after: 100_000, ending: error('STORAGE_UNAVAILABLE') } },
      { on: 'open', fault: { type: 'broken', after: 50_001, ending: error('READ_TRUNCATED') } },
    );
    expect(Buffer.compare(await read(), bytes)).toBe(0);
    expect(offsets()).toEqual([0, 100_000, 150_001]);
    expect(faults.openCount).toBe(0);
  });

  test('keeps to the range asked for', async () => {
    faults.script({ on: 'open', fault: { type: 'broken', after: 10, ending: error('STORAGE_UNAVAILABLE') } });
    expect(Buffer.compare(await read({ offset: 1000, length: 5000 }), bytes.subarray(1000, 6000))).toBe(0);
    expect(offsets()).toEqual([1000, 1010]);
    faults.script({ on: 'open', fault: { type: 'broken', after: 10, ending: error('STORAGE_UNAVAILABLE') } });
    expect(Buffer.compare(await read({ offset: SIZE - 20 }), bytes.subarray(SIZE - 20))).toBe(0);
  });

  test('a body that ends too early is no end', async () => {
    faults.script({ on: 'open', fault: { type: 'broken', after: 200_000, ending: 'end' } });
    expect(Buffer.compare(await read(), bytes)).toBe(0);
    expect(offsets()).toEqual([0, 200_000]);
  });

  test('any byte renews the attempts: a read that breaks every 1,000 bytes ends well (row 57)', async () => {
    faults.script({ on: 'open', times: 250, fault: { type: 'broken', after: 1000, ending: error('STORAGE_UNAVAILABLE') } });
    expect(Buffer.compare(await read(), bytes)).toBe(0);
    expect(faults.count('open')).toBe(251);
  });

  test('gives up after the attempts without a byte between them', async () => {
    faults.script({ on: 'open', times: 100, fault: { type: 'broken', after: 0, ending: error('STORAGE_UNAVAILABLE') } });
    await expect(read()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(faults.count('open')).toBe(1 + SETTINGS.attempts);
    expect(faults.openCount).toBe(0);
  });

  test('a failing reopening counts as an attempt', async () => {
    faults.script({ on: 'open', fault: { type: 'broken', after: 5, ending: error('STORAGE_UNAVAILABLE') } });
    faults.script({ on: 'open', times: 2, fault: { type: 'error', error: error('STORAGE_THROTTLED') } });
    expect(Buffer.compare(await read(), bytes)).toBe(0);
    expect(offsets()).toEqual([0, 5, 5, 5]);
  });

  test('a connection that goes silent is dropped after the limit and resumed', async () => {
    faults.script({ on: 'open', fault: { type: 'broken', after: 70_000, ending: 'hang' } });
    const before = clock.now();
    expect(Buffer.compare(await read(), bytes)).toBe(0);
    expect(clock.now() - before).toBe(SETTINGS.stallMs + SETTINGS.initialMs);
    expect(offsets()).toEqual([0, 70_000]);
  });

  test('a reader that takes its time is no stall', async () => {
    const opened = await store.open('big');
    const chunks: Uint8Array[] = [];
    for await (const chunk of opened.body) {
      chunks.push(chunk);
      await clock.advance(10 * SETTINGS.stallMs);
    }
    expect(Buffer.compare(Buffer.concat(chunks), bytes)).toBe(0);
    expect(faults.count('open')).toBe(1);
    expect(clock.sleeping).toBe(0);
  });

  test('never splices two versions of an object', async () => {
    faults.script({ on: 'open', fault: { type: 'broken', after: 100, ending: error('STORAGE_UNAVAILABLE') } });
    const opened = await store.open('big');
    await putBytes(faults, 'big', patternBytes(SIZE, 2));
    const reading = (async () => {
      for await (const _ of opened.body);
    })();
    reading.catch(() => {});
    await settle();
    await clock.advance(SETTINGS.initialMs);
    await expect(reading).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect(faults.openCount).toBe(0);
  });

  test.each(['OBJECT_NOT_FOUND', 'ACCESS_DENIED', 'LTX_INVALID'] as const)('%s ends the read at once', async (code) => {
    faults.script({ on: 'open', fault: { type: 'broken', after: 10, ending: error(code) } });
    await expect(read()).rejects.toMatchObject({ code });
    expect(faults.count('open')).toBe(1);
  });

  test('an object that is gone at the reopening is told as that', async () => {
    faults.script({ on: 'open', fault: { type: 'broken', after: 10, ending: error('STORAGE_UNAVAILABLE') } });
    const reading = read();
    await settle();
    await faults.delete(['big']);
    await expect(reading).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });

  test('cancellation ends the wait between attempts with the reason', async () => {
    faults.script({ on: 'open', times: 9, fault: { type: 'broken', after: 0, ending: error('STORAGE_UNAVAILABLE') } });
    const controller = new AbortController();
    const reason = new Error('enough');
    const reading = getBytes(store, 'big', { signal: controller.signal });
    reading.catch(() => {});
    await settle();
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(clock.sleeping).toBe(0);
    expect(faults.count('open')).toBe(1);
  });

  test('closing while a read hangs ends it and opens nothing again', async () => {
    faults.script({ on: 'open', fault: { type: 'broken', after: 10, ending: 'hang' } });
    const opened = await store.open('big');
    const reading = (async () => {
      for await (const _ of opened.body);
    })();
    reading.catch(() => {});
    await settle();
    await opened.close();
    await clock.advance(SETTINGS.stallMs);
    await expect(reading).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(faults.count('open')).toBe(1);
  });
});
