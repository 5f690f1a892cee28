import { describe, expect, test } from 'vitest';
import { CHECKSUM_FLAG, formatChecksum, parseChecksum, rollChecksum, toChecksum } from '../../../src/formats/ltx/checksum.ts';
import { compareRanges, formatLTXName, isContiguous, parseLTXName } from '../../../src/formats/ltx/filename.ts';
import { formatPosition, parsePosition } from '../../../src/formats/ltx/position.ts';
import { decodeTrailer, encodeTrailer, LTX_TRAILER_SIZE } from '../../../src/formats/ltx/trailer.ts';
import { formatTXID, parseTXID, toTXID } from '../../../src/formats/ltx/txid.ts';

const range = (min: bigint | number, max: bigint | number) => ({ minTXID: toTXID(min), maxTXID: toTXID(max) });
const LARGEST = 2n ** 64n - 1n;

describe('transaction ids', () => {
  test('are 16 lower-case hex digits', () => {
    expect([1, 255, LARGEST].map((value) => formatTXID(toTXID(value)))).toEqual([
      '0000000000000001',
      '00000000000000ff',
      'ffffffffffffffff',
    ]);
    expect(parseTXID('ff')).toBe(255n);
    expect(parseTXID('ffffffffffffffff')).toBe(LARGEST);
  });

  test('outside 64 bits are refused', () => {
    for (const value of [-1, LARGEST + 1n]) expect(() => toTXID(value)).toThrow(/outside/);
    for (const text of ['', 'g', '0x1', '12345678901234567', '-1']) expect(() => parseTXID(text)).toThrow(/not a transaction id/);
  });
});

describe('file names', () => {
  test('hold the range', () => {
    expect(formatLTXName(range(1, 255))).toBe('0000000000000001-00000000000000ff.ltx');
    for (const [min, max] of [
      [1, 1],
      [1, 255],
      [255, LARGEST],
    ] as const) {
      expect(parseLTXName(formatLTXName(range(min, max)))).toEqual(range(min, max));
    }
  });

  test('of any other form are no LTX files', () => {
    const good = '0000000000000001-00000000000000ff.ltx';
    expect(parseLTXName(good)).toBeDefined();
    for (const name of [
      '',
      `${good}.tmp`,
      `${good}.age`,
      `x${good}`,
      `0/${good}`,
      `${good}\n`,
      good.toUpperCase(),
      good.replace('ff', 'FF'),
      good.replace('-', '_'),
      good.replace('01', '1'),
      '0000000000000000-0000000000000001.ltx',
      '0000000000000002-0000000000000001.ltx',
    ]) {
      expect(parseLTXName(name), name).toBeUndefined();
    }
  });

  test('continue one another when they overlap or touch and bring something new', () => {
    expect([range(6, 6), range(3, 8), range(7, 9), range(4, 5)].map((next) => isContiguous(toTXID(5), next))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(isContiguous(toTXID(LARGEST), range(1, LARGEST))).toBe(false);
  });

  test('are ordered by their first, then their last transaction', () => {
    const files = [range(2, 2), range(1, 9), range(LARGEST, LARGEST), range(1, 3)];
    expect(files.toSorted(compareRanges)).toEqual([range(1, 3), range(1, 9), range(2, 2), range(LARGEST, LARGEST)]);
    expect(compareRanges(range(1, 3), range(1, 3))).toBe(0);
  });
});

describe('checksums', () => {
  test('are 16 hex digits', () => {
    expect(formatChecksum(toChecksum(255n))).toBe('00000000000000ff');
    expect(parseChecksum('efb1f44fecd99000')).toBe(0xefb1f44fecd99000n);
    for (const text of ['', 'ff', 'g000000000000000', '00000000000000000']) expect(() => parseChecksum(text)).toThrow(/not a checksum/);
    for (const value of [-1n, LARGEST + 1n]) expect(() => toChecksum(value)).toThrow(/more than 64 bits/);
  });

  test('roll in any order, and a page rolled twice is gone', () => {
    const [a, b] = [toChecksum(0xd9328f592d9e733dn), toChecksum(0xf7901e47304ca33fn)];
    const both = rollChecksum(rollChecksum(CHECKSUM_FLAG, a), b);
    expect(rollChecksum(rollChecksum(CHECKSUM_FLAG, b), a)).toBe(both);
    expect(rollChecksum(both, b)).toBe(rollChecksum(CHECKSUM_FLAG, a));
    expect(both & CHECKSUM_FLAG).toBe(CHECKSUM_FLAG);
  });
});

describe('positions', () => {
  test('are a transaction id and a checksum, 33 characters', () => {
    const position = { txid: toTXID(164), checksum: toChecksum(0x8a249272ad9f7dean) };
    expect(formatPosition(position)).toBe('00000000000000a4/8a249272ad9f7dea');
    expect(parsePosition(formatPosition(position))).toEqual(position);
    for (const text of ['', '1/2', '00000000000000a4-8a249272ad9f7dea', '00000000000000a4/8a249272ad9f7dea0']) {
      expect(() => parsePosition(text)).toThrow(/not a position/);
    }
  });
});

describe('trailer', () => {
  test('is read back, and LTX_TRUNCATED at every shorter length', () => {
    const trailer = { postApplyChecksum: toChecksum(1n), fileChecksum: toChecksum(LARGEST) };
    const bytes = encodeTrailer(trailer);
    expect(decodeTrailer(bytes)).toEqual(trailer);
    for (let length = 0; length < LTX_TRAILER_SIZE; length++) {
      expect(() => decodeTrailer(bytes.subarray(0, length))).toThrow(expect.objectContaining({ code: 'LTX_TRUNCATED' }));
    }
  });
});
