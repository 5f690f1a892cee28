import { describe, expect, test } from 'vitest';
import { Pace } from '../../../src/engine/db/pace.ts';

const pace = (): Pace => new Pace({ monitorIntervalMs: 1000, pollIntervalMs: 5000 });
const QUIET = { byEvent: false, inFlight: false, found: false };

describe('Pace', () => {
  test('answers the first commit after a pause at once', () => {
    const p = pace();
    expect(p.holdMs(0)).toBeLessThanOrEqual(0);
    p.published(0);
    p.looked(0, { ...QUIET, found: true });
    expect(p.holdMs(60_000)).toBeLessThanOrEqual(0);
  });

  test('keeps the distance between two files', () => {
    const p = pace();
    p.published(10_000);
    expect(p.holdMs(10_300)).toBe(700);
  });

  test('polls at the interval when nothing happens', () => {
    const p = pace();
    p.looked(0, QUIET);
    expect(p.idleMs(0)).toBe(5000);
  });

  test('looks again soon, with growing pauses, while a transaction is being written', () => {
    const p = pace();
    const pauses: number[] = [];
    for (let now = 0; now < 200; now += 20) {
      p.looked(now, { byEvent: now === 0, inFlight: true, found: false });
      pauses.push(p.idleMs(now));
    }
    expect(pauses.slice(0, 6)).toEqual([2, 4, 8, 16, 32, 32]);
  });

  test('gives up on a transaction that nobody goes on writing', () => {
    const p = pace();
    p.looked(0, { byEvent: true, inFlight: true, found: false });
    p.looked(2500, { byEvent: false, inFlight: true, found: false });
    expect(p.idleMs(2500)).toBe(5000);
    p.looked(3000, { byEvent: true, inFlight: true, found: false });
    expect(p.idleMs(3000)).toBeLessThanOrEqual(32);
  });

  test('a flood of events during one long transaction costs at most a look every 32 ms', () => {
    const p = pace();
    let now = 0;
    for (let i = 0; i < 20; i++) p.looked(now++, { byEvent: true, inFlight: true, found: false });
    expect(p.holdMs(now)).toBe(31);
  });
});
