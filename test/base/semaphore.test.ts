import { expect, test } from 'vitest';
import { Semaphore } from '../../src/base/semaphore.ts';
import { settle } from '../support/fake-clock.ts';

test('lets as many in as it has permits, then in the order of their coming', async () => {
  const semaphore = new Semaphore(2);
  const order: number[] = [];
  const releases: (() => void)[] = [];
  for (let i = 0; i < 5; i++) {
    void semaphore.acquire().then((release) => {
      order.push(i);
      releases.push(release);
    });
  }
  await settle();
  expect(order).toEqual([0, 1]);
  for (let i = 0; i < 5; i++) {
    releases[i]?.();
    await settle();
  }
  expect(order).toEqual([0, 1, 2, 3, 4]);
});

test('a permit that is given back passes to the first waiter, not to a newcomer (row 47)', async () => {
  const semaphore = new Semaphore(1);
  const release = await semaphore.acquire();
  const order: string[] = [];
  const waiting = semaphore.acquire().then((free) => {
    order.push('waiter');
    free();
  });
  release();
  const newcomer = semaphore.acquire().then((free) => {
    order.push('newcomer');
    free();
  });
  await Promise.all([waiting, newcomer]);
  expect(order).toEqual(['waiter', 'newcomer']);
});

test('who gives up while waiting gets the reason and takes no permit (row 47)', async () => {
  const semaphore = new Semaphore(1);
  const release = await semaphore.acquire();
  const controller = new AbortController();
  const reason = new Error('gave up');
  const waiting = semaphore.acquire(controller.signal);
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(semaphore.acquire(controller.signal)).rejects.toBe(reason);
  release();
  release();
  (await semaphore.acquire())();
  const held = await semaphore.acquire();
  let second = false;
  void semaphore.acquire().then(() => {
    second = true;
  });
  await settle();
  expect(second, 'a double release must not add a permit').toBe(false);
  held();
});

test('run gives its permit back after success and failure', async () => {
  const semaphore = new Semaphore(1);
  await expect(semaphore.run(async () => Promise.reject(new Error('x')))).rejects.toThrow('x');
  expect(await semaphore.run(async () => 7)).toBe(7);
});

test('has as many permits as it is resized to, and takes none from who holds one', async () => {
  const semaphore = new Semaphore(4);
  let inside = 0;
  const releases: (() => void)[] = [];
  const enter = async () => {
    releases.push(await semaphore.acquire());
    inside += 1;
  };
  const leave = async () => {
    inside -= 1;
    releases.shift()?.();
    await settle();
  };
  for (let i = 0; i < 10; i++) void enter();
  await settle();
  expect(inside).toBe(4);
  semaphore.resize(2);
  await leave();
  await leave();
  expect(inside).toBe(2);
  await leave();
  expect(inside).toBe(2);
  semaphore.resize(4);
  await settle();
  expect(inside).toBe(4);
  for (let i = 0; i < 7; i++) await leave();
  expect(inside).toBe(0);
  for (let i = 0; i < 5; i++) void enter();
  await settle();
  expect(inside).toBe(4);
});
