import { beforeEach, describe, expect, test } from 'vitest';
import type { LogFields, Logger } from '../../src/base/log.ts';
import type { Budget, ScheduledTask } from '../../src/service/schedule/scheduler.ts';
import { WheelScheduler } from '../../src/service/schedule/wheel-scheduler.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { collect } from '../support/live-memory.ts';

/** Its wall clock can be set, as an administrator or a sleep of the machine does. */
class JumpyClock extends FakeClock {
  #offset = 0;

  override now(): number {
    return super.now() + this.#offset;
  }

  jump(ms: number): void {
    this.#offset += ms;
  }
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let clock: JumpyClock;
let scheduler: WheelScheduler;
let lines: { message: string; fields: LogFields | undefined }[];
let runs: Map<string, number[]>;

const log: Logger = { log: (_level, message, fields) => void lines.push({ message, fields }), with: () => log };

beforeEach(() => {
  clock = new JumpyClock(Date.UTC(2026, 0, 1, 0, 1, 7));
  lines = [];
  runs = new Map();
  scheduler = new WheelScheduler(clock, log);
});

function note(name: string, intervalMs: number, more: { readonly atStart?: boolean; readonly budget?: Budget } = {}): ScheduledTask {
  return scheduler.every({
    name,
    intervalMs,
    budget: 'listing',
    run: async () => void runs.set(name, [...(runs.get(name) ?? []), clock.now()]),
    ...more,
  });
}

const count = (name: string): number => runs.get(name)?.length ?? 0;
const total = (): number => [...runs.values()].reduce((sum, times) => sum + times.length, 0);

describe('WheelScheduler', () => {
  test('runs at multiples of the interval on the wall clock, always later by the same jitter', async () => {
    note('a', 5 * MINUTE);
    await clock.advance(HOUR);
    const times = runs.get('a') ?? [];
    expect(times).toHaveLength(12);
    const jitters = new Set(times.map((time) => time % (5 * MINUTE)));
    expect(jitters.size).toBe(1);
    expect(Math.max(...jitters)).toBeLessThanOrEqual(30_000);
  });

  test('knows the jitter from the name: it is the same in another process and differs between neighbours', async () => {
    for (let i = 0; i < 100; i++) note(`compaction of app-${i}`, 5 * MINUTE);
    await clock.advance(5 * MINUTE + 30_000);
    const first = [...runs.values()].map(([time]) => time);
    expect(new Set(first).size).toBeGreaterThan(95);
    expect(Math.max(...first.map(Number)) - Math.min(...first.map(Number))).toBeGreaterThan(25_000);
    const again = new JumpyClock(Date.UTC(2026, 0, 1, 0, 1, 7));
    const other = new WheelScheduler(again, log);
    const seen: number[] = [];
    other.every({ name: 'compaction of app-7', intervalMs: 5 * MINUTE, budget: 'listing', run: async () => void seen.push(again.now()) });
    await again.advance(5 * MINUTE + 30_000);
    expect(seen).toEqual(runs.get('compaction of app-7')?.slice(0, 1));
  });

  test('spreads first runs that are wanted at once over seconds', async () => {
    for (let i = 0; i < 200; i++) note(`n${i}`, HOUR, { atStart: true });
    await clock.advance(2500);
    expect(total()).toBeGreaterThan(50);
    expect(total()).toBeLessThan(150);
    await clock.advance(2500);
    expect(total()).toBe(200);
  });

  test('sleeps with one timer, however many tasks there are', async () => {
    for (let i = 0; i < 500; i++) note(`n${i}`, (1 + (i % 7)) * MINUTE, { atStart: i % 2 === 0 });
    await settle();
    expect(clock.sleeping).toBe(1);
    await clock.advance(10 * MINUTE);
    expect(clock.sleeping).toBe(1);
    expect(total()).toBeGreaterThan(500);
  });

  test('keeps intervals longer than a turn of the wheel', async () => {
    note('daily', 24 * HOUR);
    note('hourly', HOUR);
    await clock.advance(49 * HOUR);
    expect(count('daily')).toBe(2);
    expect(count('hourly')).toBe(49);
  });

  test('a moment at which work is not needed passes; asked for, it runs all the same', async () => {
    let isNeeded = false;
    let count = 0;
    const task = scheduler.every({
      name: 'a',
      intervalMs: MINUTE,
      budget: 'listing',
      isNeeded: () => isNeeded,
      run: async () => {
        count++;
      },
    });
    await clock.advance(5 * MINUTE);
    expect(count).toBe(0);
    await task.runNow();
    expect(count).toBe(1);
    isNeeded = true;
    await clock.advance(5 * MINUTE);
    expect(count).toBe(6);
  });

  test('keeps short intervals as well', async () => {
    note('quick', 20);
    await clock.advance(1000);
    expect(count('quick')).toBe(50);
  });

  test('has no timer left when every task has stopped', async () => {
    const tasks = [note('a', MINUTE), note('b', HOUR)];
    await Promise.all(tasks.map((task) => task.stop()));
    await settle();
    expect(clock.sleeping).toBe(0);
    await clock.advance(2 * HOUR);
    expect(total()).toBe(0);
  });

  test('never runs a task twice at once; ticks that come meanwhile are dropped', async () => {
    const gates: PromiseWithResolvers<void>[] = [];
    let active = 0;
    let most = 0;
    scheduler.every({
      name: 'slow',
      intervalMs: MINUTE,
      budget: 'listing',
      run: async () => {
        const gate = Promise.withResolvers<void>();
        gates.push(gate);
        most = Math.max(most, ++active);
        await gate.promise;
        active -= 1;
      },
    });
    await clock.advance(10 * MINUTE);
    expect(gates).toHaveLength(1);
    gates[0]?.resolve();
    await clock.advance(MINUTE);
    expect(gates).toHaveLength(2);
    expect(most).toBe(1);
    gates[1]?.resolve();
  });

  test('runs as many of a kind at once as its budget allows, and all of them in the end', async () => {
    let active = 0;
    let most = 0;
    let done = 0;
    for (let i = 0; i < 30; i++) {
      scheduler.every({
        name: `merge ${i}`,
        intervalMs: HOUR,
        budget: 'compaction',
        atStart: true,
        run: async () => {
          most = Math.max(most, ++active);
          await clock.sleep(3000);
          active -= 1;
          done += 1;
        },
      });
    }
    await clock.advance(MINUTE);
    expect(most).toBe(2);
    expect(done).toBe(30);
  });

  test('runNow resolves after a run that began after the call, and callers share one', async () => {
    const gates: PromiseWithResolvers<void>[] = [];
    const task = scheduler.every({
      name: 'asked',
      intervalMs: HOUR,
      budget: 'listing',
      run: () => {
        const gate = Promise.withResolvers<void>();
        gates.push(gate);
        return gate.promise;
      },
    });
    const first = task.runNow();
    await settle();
    const [second, third] = [task.runNow(), task.runNow()];
    await settle();
    expect(gates).toHaveLength(1);
    gates[0]?.resolve();
    await first;
    await settle();
    expect(gates).toHaveLength(2);
    gates[1]?.resolve();
    await Promise.all([second, third]);
    expect(gates).toHaveLength(2);
  });

  test('stop aborts the run under way, waits for it, and none follows', async () => {
    let reason: unknown;
    const task = scheduler.every({
      name: 'stoppable',
      intervalMs: MINUTE,
      budget: 'listing',
      run: (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason;
            reject(signal.reason);
          });
        }),
    });
    await clock.advance(2 * MINUTE);
    await task.stop();
    expect(reason).toMatchObject({ code: 'SHUTTING_DOWN' });
    await task.runNow();
    await clock.advance(HOUR);
    expect(lines).toEqual([]);
  });

  test('logs what throws as a defect and goes on', async () => {
    scheduler.every({ name: 'bad', intervalMs: MINUTE, budget: 'listing', run: async () => Promise.reject(new Error('no')) });
    await clock.advance(3 * MINUTE);
    expect(lines.map(({ message, fields }) => [message, fields?.work])).toEqual(Array(3).fill(['scheduled work failed', 'bad']));
  });

  describe('when the clock jumps', () => {
    test('forwards: each task runs once, not once for each interval it missed', async () => {
      for (let i = 0; i < 50; i++) note(`n${i}`, MINUTE);
      await clock.advance(MINUTE + 10_000);
      const before = total();
      expect(before).toBe(50);
      clock.jump(7 * 24 * HOUR);
      await clock.advance(65_000);
      // Noticed within a minute: one run for what was missed, and at most one regular tick.
      for (let i = 0; i < 50; i++) expect(count(`n${i}`)).toBeGreaterThanOrEqual(2);
      expect(total()).toBeLessThanOrEqual(before + 2 * 50);
    });

    test('backwards: no task waits longer than its interval', async () => {
      for (let i = 0; i < 50; i++) note(`n${i}`, 5 * MINUTE);
      await clock.advance(6 * MINUTE);
      const before = total();
      clock.jump(-365 * 24 * HOUR);
      await clock.advance(6 * MINUTE + 30_000);
      for (let i = 0; i < 50; i++) expect(count(`n${i}`)).toBeGreaterThanOrEqual(2);
      expect(total()).toBeLessThanOrEqual(before + 2 * 50);
    });

    test('backwards behind the epoch nothing breaks', async () => {
      note('a', MINUTE);
      clock.jump(-Date.UTC(2026, 0, 1) - 10 * MINUTE);
      await clock.advance(4 * MINUTE);
      expect(count('a')).toBeGreaterThanOrEqual(2);
    });

    test('during the sleep of the machine: what became due runs once, spread over seconds', async () => {
      for (let i = 0; i < 100; i++) note(`n${i}`, HOUR);
      await clock.advance(10_000);
      clock.jump(10 * HOUR); // the monotonic clock stands still while the machine sleeps
      await clock.advance(66_000);
      expect(total()).toBe(100);
      const times = [...runs.values()].flat();
      expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(3000);
    });
  });

  test('10,000 tasks cost less than a kilobyte each', () => {
    collect();
    const before = process.memoryUsage().heapUsed;
    const run = async (): Promise<void> => {};
    const tasks = Array.from({ length: 10_000 }, (_, i) => scheduler.every({ name: `n${i}`, intervalMs: HOUR, budget: 'listing', run }));
    collect();
    expect((process.memoryUsage().heapUsed - before) / tasks.length).toBeLessThan(1024);
  });
});
