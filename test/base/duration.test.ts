import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../src/base/duration.ts';

describe('durations', () => {
  test.each([
    ['0', 0],
    ['0s', 0],
    ['10s', 10_000],
    ['1.5h', 5_400_000],
    ['1h30m', 5_400_000],
    ['1h30m0.5s', 5_400_500],
    ['250ms', 250],
    ['.5s', 500],
    ['5.s', 5000],
    ['1us', 0.001],
    ['1µs', 0.001],
    ['1μs', 0.001],
    ['100ns', 0.0001],
    ['-30s', -30_000],
    ['+2m', 120_000],
    ['7d', 604_800_000],
    ['1w2d3h', 788_400_000],
    ['0.1s0.2s', 300],
    [' 5s ', 5000],
  ])('parses %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(['', '-', 's', '10', '1.5', '5x', '5 s', '1h30', '1y', 'h1', '1..5s', '1e3s', '∞', '1h-30m', '５s'])(
    'refuses "%s" with USAGE and a hint',
    (text) => {
      expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'USAGE', hint: expect.any(String) }));
    },
  );

  test('tells how to write a bare number', () => {
    expect(() => parseDuration('10')).toThrow(expect.objectContaining({ hint: expect.stringContaining('10s') }));
  });

  test.each([
    [0, '0s'],
    [1, '1ms'],
    [250, '250ms'],
    [1500, '1.5s'],
    [60_000, '1m0s'],
    [5_400_000, '1h30m0s'],
    [604_800_000, '168h0m0s'],
    [0.25, '250µs'],
    [0.0001, '100ns'],
    [1.5, '1.5ms'],
    [-1500, '-1.5s'],
    [3_600_000.001, '1h0m0.000001s'],
    [90_061_001, '25h1m1.001s'],
  ])('prints %d ms as Go does: %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
    expect(parseDuration(text)).toBe(ms);
  });
});
