import { describe, expect, test } from 'vitest';
import { formatSize, parseSize } from '../../src/base/size.ts';

describe('byte sizes', () => {
  test.each([
    ['0', 0],
    ['1048576', 1_048_576],
    ['5MB', 5_000_000],
    ['5 MB', 5_000_000],
    ['5m', 5_000_000],
    ['5MiB', 5_242_880],
    ['5mi', 5_242_880],
    ['1.5KiB', 1536],
    ['1,024', 1024],
    ['1,024.5 kB', 1_024_500],
    ['.5K', 500],
    ['2GB', 2_000_000_000],
    ['1TiB', 1_099_511_627_776],
    ['1PB', 1_000_000_000_000_000],
    ['12B', 12],
    ['1.9', 1],
  ])('parses %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(['', 'MB', '5XB', '-5MB', '5iB', '1e3', '5MBB', '16E', '9007199254740993', ',5', 'Infinity'])(
    'refuses "%s" with USAGE',
    (text) => {
      expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    },
  );

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [1_048_575, '1 MiB'],
    [64 * 1024 * 1024, '64 MiB'],
    [5_000_000_000, '4.7 GiB'],
  ])('prints %d as %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});
