import { beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import { ParallelReadStore } from '../../../src/storage/wrap/parallel-read.ts';
import { settle } from '../../support/fake-clock.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { Random } from '../../support/random.ts';
import { ScribblingStore } from '../../support/scribbling-store.ts';
import { getBytes, getTransientBytes, patternBytes, putBytes } from '../contract/bodies.ts';

const SIZE = 4_000_000;
const WINDOW = 1_000_000;

describe('parallel read', () => {
  const bytes = patternBytes(SIZE);
  let faults: FaultStore;
  let store: ParallelReadStore;
  beforeEach(async () => {
    faults = new FaultStore(new MemoryStore());
    store = new ParallelReadStore(faults, { windowBytes: WINDOW, ahead: 2 });
    await putBytes(faults, 'big', bytes);
    faults.calls.length = 0;
  });

  const offsets = () => faults.calls.map(({ offset }) => offset ?? 0);

  test('joins its ranges without a seam, whatever part is asked for', async () => {
    const seed = Date.now() % 2 ** 31;
    console.log(`seed ${seed}`);
    const random = new Random(seed);
    for (let round = 0; round < 30; round++) {
      const offset = random.below(SIZE + 10);
      const length = random.chance(0.3) ? undefined : random.between(1, SIZE);
      const expected = bytes.subarray(Math.min(offset, SIZE), Math.min(SIZE, offset + (length ?? SIZE)));
      const got = await getBytes(store, 'big', { offset, ...(length === undefined ? {} : { length }) });
      expect(Buffer.compare(got, expected), `${offset} + ${length}`).toBe(0);
    }
    expect(faults.openCount).toBe(0);
  });

  test('keeps what it has read where the store uses its memory again, for those who hold every chunk and for those who hold none', async () => {
    const scribbling = new ParallelReadStore(new ScribblingStore(faults), { windowBytes: WINDOW, ahead: 2 });
    for (let round = 0; round < 3; round++) {
      expect(Buffer.compare(await getBytes(scribbling, 'big', { offset: 7 }), bytes.subarray(7))).toBe(0);
      const several = await Promise.all([0, 1, WINDOW].map((offset) => getTransientBytes(scribbling, 'big', { offset })));
      expect(several.map((got) => got.byteLength)).toEqual([SIZE, SIZE - 1, SIZE - WINDOW]);
      for (const got of several) expect(Buffer.compare(got, bytes.subarray(SIZE - got.byteLength))).toBe(0);
    }
    expect(faults.openCount).toBe(0);
  });

  test('asks for the next ranges while the first is being read, never for more than allowed', async () => {
    const opened = await store.open('big');
    const reader = opened.body[Symbol.asyncIterator]();
    let read = 0;
    while (read < WINDOW / 2 + 100_000) read += (await reader.next()).value?.byteLength ?? 0;
    await settle(20);
    expect(offsets()).toEqual([0, WINDOW, 2 * WINDOW]);
    await reader.return?.();
    await opened.close();
    expect(faults.openCount).toBe(0);
  });

  test('who looks at the beginning only asks for one range', async () => {
    const opened = await store.open('big');
    for await (const _ of opened.body) break;
    await opened.close();
    await settle(20);
    expect(offsets()).toEqual([0]);
    expect(faults.openCount).toBe(0);
  });

  test('leaves the last piece as it is to whoever stops while a write of it may be under way, also when others go on reading', async () => {
    const opened = await store.open('big', { transient: true });
    let read = 0;
    let last: Uint8Array | undefined;
    for await (const chunk of opened.body) {
      last = chunk;
      read += chunk.byteLength;
      if (read > 1.5 * WINDOW) break;
    }
    await opened.close();
    expect((await getTransientBytes(store, 'big')).byteLength).toBe(SIZE);
    expect(Buffer.compare(last ?? Buffer.alloc(0), bytes.subarray(read - (last?.byteLength ?? 0), read))).toBe(0);
    expect(last?.byteLength).toBeGreaterThan(0);
  });

  test('gives its places back when it is left early, so that the next reader has them', async () => {
    for (let round = 0; round < 5; round++) {
      const opened = await store.open('big');
      let read = 0;
      for await (const chunk of opened.body) {
        read += chunk.byteLength;
        if (read > 1.5 * WINDOW) break;
      }
      await opened.close();
    }
    faults.calls.length = 0;
    await getBytes(store, 'big');
    expect(offsets()).toHaveLength(4);
    expect(faults.openCount).toBe(0);
  });

  test('two versions of an object are never joined', async () => {
    const opened = await store.open('big');
    const reading = (async () => {
      let read = 0;
      for await (const chunk of opened.body) {
        if (read === 0) await putBytes(faults, 'big', patternBytes(SIZE, 7));
        read += chunk.byteLength;
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect(faults.openCount).toBe(0);
  });

  test('an error of a later range is told in its turn, and nothing stays open', async () => {
    faults.script(
      { on: 'open', fault: { type: 'broken', after: WINDOW, ending: 'end' } },
      { on: 'open', fault: { type: 'broken', after: 10, ending: new LitestreamError('ACCESS_DENIED', 'scripted') } },
    );
    await expect(getBytes(store, 'big')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await settle(20);
    expect(faults.openCount).toBe(0);
  });
});
