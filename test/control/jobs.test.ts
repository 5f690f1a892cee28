/** What jobs promise: bounds, ownership, memory, cancellation. */

import { expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import type { JobContext, JobSpec } from '../../src/control/job-work.ts';
import { Jobs } from '../../src/control/jobs.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { codeOf } from './setting.ts';

const spec = (run: (context: JobContext) => Promise<unknown>, more: Partial<JobSpec<unknown>> = {}): JobSpec<unknown> => ({
  principal: 'a',
  verb: 'verify',
  database: 'app',
  heavy: true,
  run,
  ...more,
});

const untilAborted = ({ signal }: JobContext): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

test('two heavy jobs run at once, twenty wait, and one more is refused', async () => {
  const jobs = new Jobs({ clock: new FakeClock() });
  for (let n = 0; n < 22; n++) jobs.start(spec(untilAborted));
  expect([jobs.running, jobs.queued]).toEqual([2, 20]);
  expect(await codeOf((async () => jobs.start(spec(untilAborted)))())).toBe('JOB_LIMIT');
  expect(jobs.start(spec(untilAborted, { heavy: false })).state).toBe('running');
  await jobs.close();
  expect([jobs.running, jobs.queued]).toEqual([0, 0]);
});

test('a waiting job begins when a place is free, in order', async () => {
  const jobs = new Jobs({ clock: new FakeClock() });
  const begun: number[] = [];
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  gates.forEach((gate, index) => {
    jobs.start(
      spec(() => {
        begun.push(index);
        return gate.promise;
      }),
    );
  });
  expect(begun).toEqual([0, 1]);
  gates[1]?.resolve();
  await settle();
  expect(begun).toEqual([0, 1, 2]);
  for (const gate of gates) gate.resolve();
  await settle();
  expect(begun).toEqual([0, 1, 2, 3]);
});

test('a cancelled job that waits never begins', async () => {
  const jobs = new Jobs({ clock: new FakeClock() });
  jobs.start(spec(untilAborted));
  jobs.start(spec(untilAborted));
  let began = false;
  const waiting = jobs.start(
    spec(async () => {
      began = true;
    }),
  );
  expect(await jobs.cancel(waiting)).toBe(true);
  expect(waiting.state).toBe('cancelled');
  await jobs.close();
  expect(began).toBe(false);
});

test('work that does not stop at once is not waited for longer than 250 ms, and what it achieves counts', async () => {
  const clock = new FakeClock();
  const jobs = new Jobs({ clock });
  const gate = Promise.withResolvers<string>();
  const stubborn = jobs.start(spec(() => gate.promise));
  const cancelling = jobs.cancel(stubborn);
  await clock.advance(250);
  expect(await cancelling).toBe(true);
  expect(stubborn.state).toBe('running');
  gate.resolve('done');
  await settle();
  expect([stubborn.state, stubborn.result]).toEqual(['succeeded', 'done']);
  expect(await jobs.cancel(stubborn)).toBe(false);
});

test('jobs are seen by their principal only, newest first', () => {
  const jobs = new Jobs({ clock: new FakeClock() });
  const first = jobs.start(spec(async () => 1));
  const second = jobs.start(spec(async () => 2));
  const foreign = jobs.start(spec(async () => 3, { principal: 'b', heavy: false }));
  expect(jobs.list('a')).toEqual([second, first]);
  expect(jobs.find('a', foreign.id)).toBeUndefined();
  expect(jobs.find('b', foreign.id)).toBe(foreign);
});

test('ended jobs are kept for a day, and two hundred of a principal', async () => {
  const clock = new FakeClock();
  const jobs = new Jobs({ clock });
  for (let n = 0; n < 205; n++) {
    jobs.start(spec(async () => n, { heavy: false }));
    await settle(1);
  }
  expect(jobs.list('a')).toHaveLength(200);
  await clock.advance(86_400_001);
  expect(jobs.list('a')).toEqual([]);
});

test('a failure keeps its error without its secrets', async () => {
  const jobs = new Jobs({ clock: new FakeClock() });
  const failed = jobs.start(spec(() => Promise.reject(new LitestreamError('ACCESS_DENIED', 'no: https://me:hunter2@host/'))));
  await settle();
  expect(failed.state).toBe('failed');
  expect(failed.error).toEqual({ code: 'ACCESS_DENIED', message: 'no: https://[redacted]@host/' });
});

test('a restart interrupts what runs', async () => {
  const jobs = new Jobs({ clock: new FakeClock() });
  const running = jobs.start(spec(untilAborted));
  await jobs.close();
  expect([running.state, running.error?.code]).toEqual(['interrupted', 'SHUTTING_DOWN']);
});
