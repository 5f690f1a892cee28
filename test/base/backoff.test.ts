import { expect, test } from 'vitest';
import { Backoff } from '../../src/base/backoff.ts';

test('doubles up to the cap, counts, and starts over', () => {
  const backoff = new Backoff({ initialMs: 100, capMs: 1000 });
  expect(Array.from({ length: 6 }, () => backoff.next())).toEqual([100, 200, 400, 800, 1000, 1000]);
  expect(backoff.attempts).toBe(6);
  backoff.reset();
  expect(backoff.attempts).toBe(0);
  expect(backoff.next()).toBe(100);
});

test('stays at the cap for ever', () => {
  const backoff = new Backoff({ initialMs: 1, capMs: 300_000 });
  for (let i = 0; i < 5000; i++) backoff.next();
  expect(backoff.next()).toBe(300_000);
});

test('takes away at most the part that is jitter', () => {
  const delays = [0, 0.5, 0.999].map((value) => new Backoff({ initialMs: 100, capMs: 1000, jitter: 0.5, random: () => value }).next());
  expect(delays).toEqual([100, 75, 50.05]);
});
