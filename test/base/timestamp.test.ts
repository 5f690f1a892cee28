/** Moments as text. */

import { expect, test } from 'vitest';
import { formatTimestamp, parseTimestamp } from '../../src/base/timestamp.ts';

test('times are written in RFC 3339 without trailing zeros, as the original writes them, and read back', () => {
  expect([0, 500, 120, 123].map((ms) => formatTimestamp(Date.UTC(2026, 0, 1) + ms))).toEqual([
    '2026-01-01T00:00:00Z',
    '2026-01-01T00:00:00.5Z',
    '2026-01-01T00:00:00.12Z',
    '2026-01-01T00:00:00.123Z',
  ]);
  for (const ms of [0, 1, 999, 1_767_225_600_123, 1_767_225_610_000]) expect(parseTimestamp(formatTimestamp(ms))).toBe(ms);
});

test('times are read with up to nine digits and any offset, cut to milliseconds; other text is none', () => {
  for (const [text, ms] of [
    ['2026-01-01T00:00:00Z', 1_767_225_600_000],
    ['2026-01-01t00:00:00.1z', 1_767_225_600_100],
    ['2026-01-01T00:00:00.123999999Z', 1_767_225_600_123],
    ['2026-01-01T02:30:00.5+02:30', 1_767_225_600_500],
    ['1970-01-01T00:00:00Z', 0],
  ] as const) {
    expect(parseTimestamp(text), text).toBe(ms);
  }
  const others = [
    undefined,
    '',
    'tomorrow',
    '1767225600',
    '2026-01-01',
    '2026-01-01 00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T00:00:00',
    '2026-01-01T00:00:00.1234567890Z',
  ];
  for (const text of others) expect(parseTimestamp(text), text).toBeUndefined();
});
