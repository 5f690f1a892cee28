import { expect, test } from 'vitest';
import { abortable, orAbort } from '../../src/base/abortable.ts';

const REASON = new Error('stop');

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

test('passes everything on, with and without a signal', async () => {
  async function* source() {
    yield* [1, 2, 3];
  }
  expect(await collect(abortable(source(), undefined))).toEqual([1, 2, 3]);
  expect(await collect(abortable(source(), new AbortController().signal))).toEqual([1, 2, 3]);
});

test('ends a wait that would never end, and tells the source', async () => {
  const controller = new AbortController();
  let returned = false;
  const source: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<never>(() => {}),
      return: async () => {
        returned = true;
        return { done: true, value: undefined };
      },
    }),
  };
  const collected = collect(abortable(source, controller.signal));
  controller.abort(REASON);
  await expect(collected).rejects.toBe(REASON);
  expect(returned).toBe(true);
});

test('closes the source when the consumer leaves, and waits for that', async () => {
  let closed = false;
  async function* source() {
    try {
      yield 1;
      yield 2;
    } finally {
      await new Promise((resolve) => setImmediate(resolve));
      closed = true;
    }
  }
  for await (const item of abortable(source(), new AbortController().signal)) {
    expect(item).toBe(1);
    break;
  }
  expect(closed).toBe(true);
});

test('passes an error of the source on as it is', async () => {
  const error = new Error('source');
  async function* source() {
    yield 1;
    throw error;
  }
  await expect(collect(abortable(source(), new AbortController().signal))).rejects.toBe(error);
});

test('leaves no listener on the signal', async () => {
  const controller = new AbortController();
  let added = 0;
  let removed = 0;
  const { addEventListener, removeEventListener } = controller.signal;
  controller.signal.addEventListener = function (this: AbortSignal, ...args: Parameters<typeof addEventListener>) {
    added += 1;
    addEventListener.apply(this, args);
  } as typeof addEventListener;
  controller.signal.removeEventListener = function (this: AbortSignal, ...args: Parameters<typeof removeEventListener>) {
    removed += 1;
    removeEventListener.apply(this, args);
  } as typeof removeEventListener;
  async function* source() {
    yield* [1, 2, 3];
  }
  await collect(abortable(source(), controller.signal));
  await orAbort(Promise.resolve(1), controller.signal);
  await orAbort(Promise.reject(REASON), controller.signal).catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  expect(added).toBeGreaterThan(4);
  expect(removed).toBe(added);
});
