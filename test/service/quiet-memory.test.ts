import { afterEach, beforeEach, expect, test } from 'vitest';
import { QuietMemory } from '../../src/service/quiet-memory.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

const MIB = 2 ** 20;

let clock: FakeClock;
let keeper: QuietMemory;
let used: number;
let needed: number;
/** Of a processor. */
let load: number;
let releases: number;

beforeEach(() => {
  clock = new FakeClock();
  [used, needed, load, releases] = [100 * MIB, 40 * MIB, 0, 0];
  let processorMs = 0;
  let asked = clock.monotonic();
  keeper = new QuietMemory(clock, {
    resident: () => used,
    processorMs: () => {
      processorMs += (clock.monotonic() - asked) * load;
      asked = clock.monotonic();
      return processorMs;
    },
    release: () => {
      releases++;
      used = needed;
    },
  });
  keeper.start();
});

afterEach(async () => {
  keeper.stop();
  await settle();
  expect(clock.sleeping).toBe(0);
});

test('what a wave of work has left is given back once when it is over, and not while it lasts', async () => {
  load = 0.5;
  await clock.advance(300_000);
  expect(releases).toBe(0);
  load = 0.05;
  await clock.advance(40_000);
  expect(releases).toBe(1);
  await clock.advance(3_600_000);
  expect(releases).toBe(1);
});

test('a twentieth more than was left, and 8 MiB, is what may gather before the next time, which is a minute later at the soonest', async () => {
  await clock.advance(20_000);
  expect(releases).toBe(1);
  used = 49 * MIB;
  await clock.advance(60_000);
  expect(releases).toBe(1);
  used = 51 * MIB;
  await clock.advance(20_000);
  expect(releases).toBe(2);
  used = 100 * MIB;
  await clock.advance(40_000);
  expect(releases).toBe(2);
  await clock.advance(20_000);
  expect(releases).toBe(3);
});

test('memory that has grown because more is needed is collected once', async () => {
  await clock.advance(20_000);
  [used, needed] = [90 * MIB, 90 * MIB];
  await clock.advance(3_600_000);
  expect(releases).toBe(2);
});
