import { expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import type { DatabaseEngine, EngineStatus } from '../../src/engine/database-engine.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { EngineView } from '../../src/service/engine-view.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

const STATUS: EngineStatus = {
  state: 'replicating',
  since: 1,
  txid: toTXID(7),
  dbSize: 1,
  walSize: 2,
  pendingWALBytes: 3,
  worstWriteLockMs: 4,
};

/** An engine of which only the status is asked. */
function engine(status: () => Promise<EngineStatus>): DatabaseEngine {
  return { status } as DatabaseEngine;
}

test('an engine that answers is shown as it answered', async () => {
  const view = new EngineView(new FakeClock());
  expect(await view.read(engine(async () => STATUS))).toEqual(STATUS);
});

test('a busy engine is shown as it was, plus what it told since, within a quarter of a second', async () => {
  const clock = new FakeClock();
  const view = new EngineView(clock);
  await view.read(engine(async () => STATUS));
  let questions = 0;
  const busy = engine(() => {
    questions += 1;
    return new Promise(() => {});
  });
  view.observe({ type: 'synced', txid: toTXID(8), at: 5, size: 1, pages: 1, walBytes: 1 });
  const answers = [view.read(busy), view.read(busy)];
  await clock.advance(250);
  for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ state: 'replicating', txid: 8n, txidAt: 5 });
  const again = view.read(busy);
  await clock.advance(250);
  await again;
  // Everyone waits for the one question that is under way.
  expect(questions).toBe(1);
});

test('the answer of an engine that has been replaced does not count', async () => {
  const clock = new FakeClock();
  const view = new EngineView(clock);
  const late = Promise.withResolvers<EngineStatus>();
  const old = view.read(engine(() => late.promise));
  await clock.advance(250);
  await old;
  await view.read(engine(async () => STATUS));
  late.resolve({ ...STATUS, txid: toTXID(1) });
  await settle();
  expect(view.last.txid).toBe(7n);
});

test('a failure is shown with its error and forgotten with the next state; the beginning of a state stands', async () => {
  const clock = new FakeClock(1000);
  const view = new EngineView(clock);
  view.fail({ code: 'ENGINE_STOPPED', message: 'gone' });
  await clock.advance(500);
  view.fail({ code: 'DISK_FULL', message: 'full' });
  expect(view.last).toMatchObject({ state: 'failing', since: 1000, error: { code: 'DISK_FULL' } });
  view.observe({ type: 'state', state: 'replicating' });
  expect(view.last).toMatchObject({ state: 'replicating', since: 1500 });
  expect(view.last.error).toBeUndefined();
  const dead = engine(async () => Promise.reject(new LitestreamError('ENGINE_STOPPED', 'gone')));
  expect((await view.read(dead)).state).toBe('replicating');
});
