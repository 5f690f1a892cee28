/** Checksums of pages and databases (docs/formats/ltx.md, "Checksums"): constants of the original and of independent implementations. */

import { describe, expect, test } from 'vitest';
import { CHECKSUM_FLAG, type Checksum, formatChecksum, rollChecksum } from '../../../src/formats/ltx/checksum.ts';
import { threadKernel } from '../../../src/formats/ltx/thread-kernel.ts';
import { lockPage } from '../../../src/formats/sqlite/page-size.ts';
import { constantPage } from '../../support/ltx-files.ts';

const kernel = threadKernel();

function sums(pgnos: Iterable<number>, bytes: (pgno: number) => Uint8Array): string[] {
  const ptr = kernel.allocate(65536);
  const found = [...pgnos].map((pgno) => {
    const page = bytes(pgno);
    kernel.view(ptr, page.length).set(page);
    return formatChecksum(kernel.pageChecksum(pgno, ptr, page.length) as Checksum);
  });
  kernel.free(ptr);
  return found;
}

const rolled = (all: readonly string[]): string =>
  formatChecksum(all.reduce((sum, text) => rollChecksum(sum, BigInt(`0x${text}`) as Checksum), CHECKSUM_FLAG));

describe('page checksum', () => {
  test('of zero pages', () => {
    expect(sums([1, 2, 3, 262144, 262146], () => constantPage(0, 4096))).toEqual([
      'd9328f592d9e733d',
      'f7901e47304ca33f',
      '820e6eb2c4fd133e',
      '98a9e9d51af811fa',
      'c395083ef39b71f9',
    ]);
    expect(sums([1], () => constantPage(0, 512))).toEqual(['efb1f44fecd99000']);
    expect(sums([1], () => constantPage(0, 65536))).toEqual(['d5c47f5c6d11f7f2']);
  });

  test('of counted bytes', () => {
    const page = Buffer.from(Array.from({ length: 512 }, (_, i) => i & 255));
    expect(sums([1, 2], () => page)).toEqual(['c6f13286cb62cc9f', 'c6232e56cb62cc9f']);
  });
});

describe('rolling checksum', () => {
  const cases: readonly (readonly [readonly number[], number, string])[] = [
    [[1, 2, 3], 512, 'efffffffecd99000'],
    [[0x32, 0x33], 1024, 'e1899b6d587aaaaa'],
    [[0x32, 0x33], 512, '8b87423eeeeeeeee'],
    [[0x31], 512, 'eb1a999231044ddd'],
    [[0x81, 0x82, 0x83], 1024, '8a249272ad9f7dea'],
    [[0x81], 1024, 'eb953fc47685d740'],
  ];
  for (const [bytes, pageSize, expected] of cases) {
    test(`over ${bytes.length} pages of ${pageSize} bytes is ${expected}`, () => {
      const all = sums(
        Array.from(bytes, (_, i) => i + 1),
        (pgno) => constantPage(bytes[pgno - 1] ?? 0, pageSize),
      );
      expect(rolled(all)).toBe(expected);
    });
  }

  test('over a database of more than 1 GiB leaves the lock page out', () => {
    const ptr = kernel.allocate(4096);
    kernel.view(ptr, 4096).fill(0x78);
    let sum = CHECKSUM_FLAG;
    for (let pgno = 1; pgno <= 262155; pgno++) {
      if (pgno !== lockPage(4096)) sum = rollChecksum(sum, kernel.pageChecksum(pgno, ptr, 4096) as Checksum);
    }
    kernel.free(ptr);
    expect(formatChecksum(sum)).toBe('c19b668c376662c7');
  });
});
