import { describe, expect, test } from 'vitest';
import { WALChecksum } from '../../../src/formats/wal/checksum.ts';
import { Random, seedFromEnvironment } from '../../support/random.ts';

/** The definition, in exact integers. */
function naive(bytes: Uint8Array, bigEndian: boolean, start: readonly [bigint, bigint]): [bigint, bigint] {
  let [s1, s2] = start;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 8) {
    s1 = (s1 + BigInt(view.getUint32(at, !bigEndian)) + s2) & 0xffff_ffffn;
    s2 = (s2 + BigInt(view.getUint32(at + 4, !bigEndian)) + s1) & 0xffff_ffffn;
  }
  return [s1, s2];
}

describe('WAL checksum', () => {
  const seed = seedFromEnvironment();
  test(`equals its definition for both byte orders, aligned or not, in pieces or whole (seed ${seed})`, () => {
    const random = new Random(seed);
    for (let round = 0; round < 300; round++) {
      const bigEndian = random.chance(0.5);
      const length = 8 * random.between(0, 100);
      const shift = random.between(0, 7);
      const bytes = new Uint8Array(random.bytes(length + shift)).subarray(shift);
      const start = [random.between(0, 2 ** 32 - 1), random.between(0, 2 ** 32 - 1)] as const;
      const sum = new WALChecksum(bigEndian, ...start);
      const cut = 8 * random.between(0, length / 8);
      sum.update(bytes.subarray(0, cut));
      sum.update(bytes.subarray(cut));
      const expected = naive(bytes, bigEndian, [BigInt(start[0]), BigInt(start[1])]);
      expect([BigInt(sum.s1), BigInt(sum.s2)]).toEqual(expected);
      expect(sum.equals(Number(expected[0]), Number(expected[1]))).toBe(true);
      expect(sum.equals(Number(expected[0]) ^ 1, Number(expected[1]))).toBe(false);
    }
  });

  test('a length that is no multiple of 8 is refused', () => {
    expect(() => new WALChecksum(false).update(new Uint8Array(12))).toThrow(RangeError);
  });
});
