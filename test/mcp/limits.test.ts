import { describe, expect, test } from 'vitest';
import { CallGate, DEFAULT_LIMITS, RateLimiter } from '../../src/mcp/limits.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('a rate', () => {
  test('lets the burst through, then one at a time as it refills, and says how long to wait', async () => {
    const clock = new FakeClock();
    const limiter = new RateLimiter({ perMinute: 60, burst: 3 }, clock);
    expect([1, 2, 3].map(() => limiter.take('ann'))).toEqual([undefined, undefined, undefined]);
    expect(limiter.take('ann')).toBe(1);
    expect(limiter.take('bob')).toBeUndefined();
    await clock.advance(999);
    expect(limiter.take('ann')).toBe(1);
    await clock.advance(1);
    expect(limiter.take('ann')).toBeUndefined();
    await clock.advance(3_600_000);
    expect([1, 2, 3, 4].map(() => limiter.take('ann'))).toEqual([undefined, undefined, undefined, 1]);
  });
  test('does not grow with the number of keys', () => {
    const limiter = new RateLimiter({ perMinute: 1, burst: 1 }, new FakeClock());
    limiter.take('first');
    for (let n = 0; n < 5_000; n += 1) limiter.take(`key ${n}`);
    // Forgotten, and therefore full again.
    expect(limiter.peek('first')).toBeUndefined();
    expect(limiter.peek('key 4999')).toBe(60);
  });
});

describe('the gate of calls', () => {
  test('bounds what runs at once, per caller and in all, and lets go when a call ends', () => {
    const gate = new CallGate({ ...DEFAULT_LIMITS, concurrent: 3, concurrentPerPrincipal: 2 }, new FakeClock());
    const leave = gate.enter('ann', 'read');
    gate.enter('ann', 'read');
    expect(() => gate.enter('ann', 'read')).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    gate.enter('bob', 'read');
    expect(() => gate.enter('eve', 'read')).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    leave();
    leave();
    expect(gate.running).toBe(2);
    gate.enter('ann', 'read');
  });
  test('is narrower for verification and for restores', () => {
    const gate = new CallGate(DEFAULT_LIMITS, new FakeClock());
    for (let n = 0; n < 10; n += 1) gate.enter('ann', 'scratch')();
    expect(() => gate.enter('ann', 'scratch')).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    for (let n = 0; n < 5; n += 1) gate.enter('ann', 'destroy')();
    expect(() => gate.enter('ann', 'destroy')).toThrow(expect.objectContaining({ details: { retry_after_seconds: 12 } }));
    gate.enter('ann', 'read')();
    // The answer of a person belongs to the call that asked for it.
    gate.enter('ann', 'destroy', true)();
  });
});
