import { beforeEach, describe, expect, test } from 'vitest';
import { type ErrorCode, LitestreamError } from '../../../src/base/errors.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import { Outage } from '../../../src/storage/wrap/outage.ts';
import { RETRY_DEFAULTS, RetryStore } from '../../../src/storage/wrap/retry.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { randomFrom } from '../../support/random.ts';
import { failingBody, getBytes, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';

const error = (code: ErrorCode, details = {}) => new LitestreamError(code, 'scripted', { details });
const SETTINGS = { attempts: 4, initialMs: 100, capMs: 1000, jitter: 0 };

describe('retry', () => {
  let clock: FakeClock;
  let faults: FaultStore;
  let retries: [string, string, number][];
  let store: RetryStore;
  beforeEach(async () => {
    clock = new FakeClock();
    faults = new FaultStore(new MemoryStore());
    retries = [];
    store = new RetryStore(faults, {
      settings: SETTINGS,
      clock,
      onRetry: (operation, { code }, delay) => retries.push([operation, code, delay]),
    });
    await putBytes(store, 'there', patternBytes(10));
    faults.calls.length = 0;
  });

  /** Runs a call while time passes. */
  async function passing<T>(call: Promise<T>): Promise<T> {
    let done = false;
    call.then(
      () => {
        done = true;
      },
      () => {
        done = true;
      },
    );
    while (!done) {
      await settle(3);
      await clock.advance(clock.nextDelay ?? 0);
    }
    return call;
  }

  const CALLS = {
    list: () => listKeys(store),
    open: () => getBytes(store, 'there'),
    stat: () => store.stat('there'),
    delete: () => store.delete(['other']),
    put: () => putBytes(store, 'new', patternBytes(5)),
  } as const;

  test.each(Object.keys(CALLS) as (keyof typeof CALLS)[])('%s is repeated with growing delays while the error allows it', async (verb) => {
    faults.script({ on: verb, times: 3, fault: { type: 'error', error: error('STORAGE_UNAVAILABLE') } });
    await passing<unknown>(CALLS[verb]());
    expect(faults.count(verb)).toBe(4);
    expect(retries).toEqual([100, 200, 400].map((delay) => [verb, 'STORAGE_UNAVAILABLE', delay]));
  });

  test.each(Object.keys(CALLS) as (keyof typeof CALLS)[])('%s gives the last error up after all attempts', async (verb) => {
    faults.script({ on: verb, times: 100, fault: { type: 'error', error: error('STORAGE_THROTTLED') } });
    await expect(passing<unknown>(CALLS[verb]())).rejects.toMatchObject({ code: 'STORAGE_THROTTLED' });
    expect(faults.count(verb)).toBe(4);
  });

  test.each([
    'ACCESS_DENIED',
    'OBJECT_NOT_FOUND',
    'STORAGE_FULL',
    'READ_TRUNCATED',
    'CREDENTIALS_INVALID',
    'OBJECT_ARCHIVED',
    'PRECONDITION_FAILED',
    'CONTAINER_NOT_FOUND',
    'LTX_INVALID',
    'SECOND_WRITER',
  ] as const)('never repeats after %s', async (code) => {
    faults.script({ on: 'put', times: 100, fault: { type: 'error', error: error(code) } });
    await expect(CALLS.put()).rejects.toMatchObject({ code });
    expect(faults.count('put')).toBe(1);
  });

  test('never repeats after an error that is not ours, such as one of the source', async () => {
    const source = new Error('source');
    await expect(store.put('x', failingBody(patternBytes(3), source))).rejects.toBe(source);
    expect(faults.count('put')).toBe(1);
  });

  test('opens the body of a put anew for each attempt', async () => {
    faults.script({ on: 'put', times: 2, fault: { type: 'lost-answer', error: error('STORAGE_UNAVAILABLE') } });
    let opened = 0;
    const body = {
      async *open() {
        opened += 1;
        yield patternBytes(100);
      },
    };
    await passing(store.put('re', body));
    expect(opened).toBe(3);
    expect(Buffer.compare(await getBytes(store, 're'), patternBytes(100))).toBe(0);
  });

  test('a create-only put whose answer was lost ends in PRECONDITION_FAILED: who is above has to look', async () => {
    faults.script({ on: 'put', fault: { type: 'lost-answer', error: error('STORAGE_UNAVAILABLE') } });
    const put = store.put(
      'once',
      {
        open: async function* () {
          yield patternBytes(3);
        },
      },
      { ifAbsent: true },
    );
    await expect(passing(put)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  });

  test('a listing goes on after the last key it gave, without repeating or losing one', async () => {
    for (let i = 0; i < 10; i++) await putBytes(store, `l/${i}`, patternBytes(1));
    faults.script(
      { on: 'list', fault: { type: 'broken', after: 3, ending: error('STORAGE_UNAVAILABLE') } },
      { on: 'list', fault: { type: 'broken', after: 0, ending: error('STORAGE_UNAVAILABLE') } },
      { on: 'list', fault: { type: 'broken', after: 4, ending: error('STORAGE_UNAVAILABLE') } },
    );
    expect(await passing(listKeys(store, 'l/'))).toEqual(Array.from({ length: 10 }, (_, i) => `l/${i}`));
    expect(faults.count('list')).toBe(4);
  });

  test('a listing that fails for good is an error, never a short list', async () => {
    for (let i = 0; i < 5; i++) await putBytes(store, `l/${i}`, patternBytes(1));
    faults.script({ on: 'list', times: 100, fault: { type: 'broken', after: 0, ending: error('STORAGE_UNAVAILABLE') } });
    await expect(passing(listKeys(store, 'l/'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  test('waits as long as the service asks for', async () => {
    faults.script({ on: 'stat', fault: { type: 'error', error: error('STORAGE_THROTTLED', { retryAfterMs: 7000 }) } });
    const before = clock.now();
    await passing(store.stat('there'));
    expect(clock.now() - before).toBe(7000);
  });

  test('a cancelled call is refused at the door, and a wait ends with the reason', async () => {
    const reason = new Error('enough');
    await expect(store.stat('there', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(faults.calls).toEqual([]);
    faults.script({ on: 'stat', times: 100, fault: { type: 'error', error: error('STORAGE_UNAVAILABLE') } });
    const controller = new AbortController();
    const waiting = store.stat('there', { signal: controller.signal });
    await settle();
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(clock.sleeping).toBe(0);
    expect(faults.count('stat')).toBe(1);
  });

  test('by default a call is tried ten times, with delays at random up to a doubling bound of 20 s', async () => {
    const random = randomFrom(7);
    const patient = new RetryStore(faults, {
      settings: { ...RETRY_DEFAULTS, random },
      clock,
      onRetry: (_verb, _error, delay) => retries.push(['', '', delay]),
    });
    faults.script({ on: 'stat', times: 100, fault: { type: 'error', error: error('STORAGE_UNAVAILABLE') } });
    await expect(passing(patient.stat('there'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(faults.count('stat')).toBe(10);
    const bounds = [200, 400, 800, 1600, 3200, 6400, 12_800, 20_000, 20_000];
    expect(retries).toHaveLength(bounds.length);
    for (const [i, [, , delay]] of retries.entries()) expect(delay).toBeLessThanOrEqual(bounds[i] ?? 0);
    expect(new Set(retries.map(([, , delay]) => delay)).size).toBe(bounds.length);
  });

  test('a call gives up when its time is over, though attempts are left, and does not wait in vain', async () => {
    const bounded = new RetryStore(faults, { settings: { ...SETTINGS, attempts: 1000, totalMs: 5000 }, clock });
    faults.script({ on: 'stat', times: 1000, fault: { type: 'error', error: error('STORAGE_UNAVAILABLE') } });
    const before = clock.now();
    await expect(passing(bounded.stat('there'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(clock.now() - before).toBeLessThanOrEqual(5000);
    faults.heal();
    faults.script({ on: 'stat', fault: { type: 'error', error: error('STORAGE_THROTTLED', { retryAfterMs: 60_000 }) } });
    const then = clock.now();
    await expect(passing(bounded.stat('there'))).rejects.toMatchObject({ code: 'STORAGE_THROTTLED' });
    expect(clock.now()).toBe(then);
  });

  test('an outage leaves no quota behind: the next call has all its attempts (upstream issue 912)', async () => {
    faults.script({ on: 'stat', times: 40, fault: { type: 'error', error: error('STORAGE_THROTTLED') } });
    for (let i = 0; i < 10; i++) await expect(passing(store.stat('there'))).rejects.toMatchObject({ code: 'STORAGE_THROTTLED' });
    faults.script({ on: 'stat', times: 3, fault: { type: 'error', error: error('STORAGE_THROTTLED') } });
    expect((await passing(store.stat('there'))).size).toBe(10);
  });

  test('a listing has all its attempts again after every object it got', async () => {
    for (let i = 0; i < 8; i++) await putBytes(store, `l/${i}`, patternBytes(1));
    for (let i = 0; i < 8; i++) {
      const ending = error('STORAGE_UNAVAILABLE');
      for (const after of [1, 0, 0]) faults.script({ on: 'list', fault: { type: 'broken', after, ending } });
    }
    expect(await passing(listKeys(store, 'l/'))).toHaveLength(8);
  });

  test('while a destination answers nobody calls are tried twice after two minutes; the first answer gives all of them everything again', async () => {
    const outage = new Outage(clock);
    store = new RetryStore(faults, { settings: { ...SETTINGS, totalMs: 60_000 }, clock, outage });
    const other = new RetryStore(faults, { settings: SETTINGS, clock, outage });
    faults.script({ on: 'stat', times: 1000, fault: { type: 'error', error: error('STORAGE_UNAVAILABLE') } });
    const attempts = async (by: RetryStore): Promise<number> => {
      faults.calls.length = 0;
      await expect(passing(by.stat('there'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      return faults.count('stat');
    };
    expect(await attempts(store)).toBe(4);
    await clock.advance(60_000);
    expect(await attempts(other)).toBe(4);
    await clock.advance(60_000);
    expect(await attempts(store)).toBe(2);
    await expect(other.open('missing')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    expect(await attempts(store)).toBe(4);
    // A failure of long ago says nothing about now.
    await clock.advance(3_600_000);
    expect(await attempts(store)).toBe(4);
  });

  describe('a destination that has never answered', () => {
    const unknownName = () =>
      new LitestreamError('STORAGE_UNAVAILABLE', 'scripted', { cause: Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }) });
    const shared = (outage: Outage) => new RetryStore(faults, { settings: { ...RETRY_DEFAULTS, random: randomFrom(7) }, clock, outage });
    const failing = (fault: LitestreamError) => faults.script({ on: 'stat', times: 1000, fault: { type: 'error', error: fault } });

    test('is asked for 15 s, and no longer, after what seldom passes by itself', async () => {
      for (const fault of [unknownName(), error('RESPONSE_INVALID')]) {
        failing(fault);
        const before = clock.now();
        await expect(passing(shared(new Outage(clock)).stat('there'))).rejects.toMatchObject({
          code: fault.code,
          details: { neverAnswered: true },
        });
        expect(clock.now() - before).toBe(15_000);
        faults.heal();
      }
    });

    test('gives those 15 s to all calls of all clients together: a command of many calls ends after them', async () => {
      const outage = new Outage(clock);
      failing(unknownName());
      const before = clock.now();
      const calls = [shared(outage).stat('there'), shared(outage).stat('there')].map((call) => call.catch(() => 'failed'));
      expect(await passing(Promise.all(calls))).toEqual(['failed', 'failed']);
      faults.calls.length = 0;
      for (let i = 0; i < 5; i++)
        await expect(passing(shared(outage).stat('there'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      expect(faults.count('stat')).toBe(5);
      expect(clock.now() - before).toBe(15_000);
    });

    test('is reached when its name appears after 14 s', async () => {
      failing(unknownName());
      const call = shared(new Outage(clock)).stat('there');
      void clock.sleep(14_000).then(() => faults.heal());
      expect((await passing(call)).size).toBe(10);
    });

    test('keeps all attempts while it refuses connections, as a server does that is starting', async () => {
      failing(error('STORAGE_UNAVAILABLE'));
      await expect(passing(shared(new Outage(clock)).stat('there'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      expect(faults.count('stat')).toBe(10);
    });

    test('once it has answered, in whatever way, keeps all attempts whatever goes wrong later', async () => {
      const outage = new Outage(clock);
      await expect(shared(outage).stat('missing')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
      failing(unknownName());
      await expect(passing(shared(outage).stat('there'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      expect(faults.count('stat')).toBe(11);
    });
  });
});
