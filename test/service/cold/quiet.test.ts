import { expect, test } from 'vitest';
import { Quiet } from '../../../src/service/cold/quiet.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function scene() {
  const clock = new FakeClock();
  let times = 0;
  const quiet = new Quiet(clock, () => {
    times++;
  });
  const close = (count: number): void => {
    for (let i = 0; i < count; i++) quiet.closed();
  };
  return { clock, close, times: () => times };
}

test('tells of a wave of closings when it has been over for three seconds, and once more when its aftermath is', async () => {
  const { clock, close, times } = scene();
  close(100);
  await clock.advance(2000);
  close(100);
  await clock.advance(2000);
  expect(times()).toBe(0);
  await clock.advance(1500);
  expect(times()).toBe(1);
  await clock.advance(60_000);
  expect(times()).toBe(1);
  await clock.advance(120_000);
  expect(times()).toBe(2);
  await clock.advance(600_000);
  expect(times()).toBe(2);
});

test('a few closings are no wave; a second wave is told again', async () => {
  const { clock, close, times } = scene();
  close(63);
  await clock.advance(60_000);
  expect(times()).toBe(0);
  close(1);
  await clock.advance(4000);
  close(64);
  await clock.advance(4000);
  expect(times()).toBe(2);
});
