import { expect, test } from 'vitest';
import type { EngineStatus } from '../../src/engine/database-engine.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import type { ReplicaStatus } from '../../src/service/service.ts';
import { Verdict } from '../../src/service/verdict.ts';
import { FakeClock } from '../support/fake-clock.ts';

const BUDGET = 60_000;
const clock = new FakeClock(1_000_000);

const engine = (more: Partial<EngineStatus> = {}): EngineStatus => ({
  state: 'replicating',
  since: 1,
  txid: toTXID(1),
  dbSize: 0,
  walSize: 0,
  pendingWALBytes: 0,
  worstWriteLockMs: 0,
  ...more,
});

const replica = (state: ReplicaStatus['state'], lagSeconds = 0, pendingBytes = 0): ReplicaStatus => ({
  name: 'r',
  type: 'file',
  destination: '/r',
  role: 'required',
  state,
  lagSeconds,
  pendingBytes,
  ...(state === 'failing' ? { lastError: { error: { code: 'STORAGE_UNAVAILABLE', message: 'away' }, at: 1, attempts: 1 } } : {}),
});

const over = (status: EngineStatus, replicas: ReplicaStatus[], unseen = 0) => new Verdict(clock, BUDGET).over(status, replicas, unseen);

test.each([
  ['all is well', engine(), [replica('replicating')], 0, 'replicating'],
  ['one replica is behind', engine(), [replica('degraded', 90), replica('replicating')], 0, 'degraded'],
  ['one replica fails', engine(), [replica('failing', 5), replica('replicating')], 0, 'degraded'],
  ['every replica fails', engine(), [replica('failing', 5), replica('failing', 9)], 0, 'failing'],
  [
    'changes wait to be captured longer than the budget',
    engine({ pendingSince: 1_000_000 - 61_000 }),
    [replica('replicating')],
    0,
    'degraded',
  ],
  ['the engine has not looked at changes for longer than the budget', engine(), [replica('replicating')], 61, 'degraded'],
  ['it starts', engine({ state: 'starting' }), [replica('starting')], 1, 'starting'],
  [
    'it starts and nothing is captured because a replica does not answer',
    engine({ state: 'starting' }),
    [replica('failing')],
    1,
    'failing',
  ],
  ['it has been starting for longer than the budget', engine({ state: 'starting' }), [replica('starting')], 61, 'degraded'],
  ['there is no database', engine({ state: 'waiting' }), [replica('failing')], 999, 'waiting'],
  [
    'there is no database, and files of an earlier one cannot be uploaded',
    engine({ state: 'waiting' }),
    [replica('failing', 5, 10)],
    0,
    'failing',
  ],
  ['the engine fails', engine({ state: 'failing' }), [replica('replicating')], 0, 'failing'],
  ['the engine has stopped', engine({ state: 'stopped' }), [replica('replicating')], 0, 'stopped'],
] as const)('%s', (_what, status, replicas, unseen, state) => {
  expect(over(status, [...replicas], unseen).state).toBe(state);
});

test('the best replica and the engine decide what is unprotected', () => {
  expect(over(engine(), [replica('failing', 50), replica('replicating', 0)]).unprotectedSeconds).toBe(0);
  expect(over(engine(), [replica('failing', 50), replica('failing', 20)]).unprotectedSeconds).toBe(20);
  expect(over(engine({ pendingSince: 1_000_000 - 3000 }), [replica('replicating', 0)]).unprotectedSeconds).toBe(3);
  expect(over(engine({ state: 'failing' }), [replica('replicating', 0)], 7).unprotectedSeconds).toBe(7);
  expect(over(engine({ state: 'waiting' }), [replica('replicating', 0)], 7).unprotectedSeconds).toBe(0);
});

test('the error of the engine comes before that of a replica', () => {
  const broken = engine({ state: 'failing', error: { code: 'DISK_FULL', message: 'full' } });
  expect(over(broken, [replica('failing')]).error?.code).toBe('DISK_FULL');
  expect(over(engine(), [replica('replicating'), replica('failing')]).error?.code).toBe('STORAGE_UNAVAILABLE');
  expect(over(engine(), [replica('replicating')]).error).toBeUndefined();
});

test('a state that a replica brings about begins when it is seen, and lasts', async () => {
  const time = new FakeClock(5000);
  const verdict = new Verdict(time, BUDGET);
  const running = engine({ since: 4000 });
  expect(verdict.over(running, [replica('replicating')], 0).since).toBe(4000);
  await time.advance(1000);
  expect(verdict.over(running, [replica('failing')], 0).since).toBe(6000);
  await time.advance(1000);
  expect(verdict.over(running, [replica('failing')], 0).since).toBe(6000);
  await time.advance(1000);
  expect(verdict.over(running, [replica('replicating')], 0).since).toBe(8000);
});
