import { describe, expect, test } from 'vitest';
import { Kernel } from '../../../src/formats/kernel/kernel.ts';
import { decodeSinglePage } from '../../../src/formats/ltx/single-page.ts';
import { PAGE_SIZES } from '../../../src/formats/sqlite/page-size.ts';
import { encode, header } from '../../support/ltx-files.ts';
import { readOracle } from '../../support/ltx-oracle.ts';
import { Random } from '../../support/random.ts';

const invalid = expect.objectContaining({ code: 'LTX_INVALID' });

describe('a single page', () => {
  for (const pageSize of PAGE_SIZES) {
    for (const pageForm of ['block', 'frame'] as const) {
      test(`of ${pageSize} bytes in ${pageForm} form is read by its index entry`, () => {
        const random = new Random(pageSize);
        const pages = [3, 4, 9].map((pgno) => [pgno, random.bytes(pageSize)] as const);
        const file = encode(header(2, 2, 9, { pageSize }), pages, { pageForm });
        const kernel = Kernel.create();
        readOracle(file).frames.forEach((entry, i) => {
          const frame = file.subarray(entry.offset, entry.offset + entry.size);
          expect(Buffer.from(decodeSinglePage(frame, entry, pageSize, kernel)).equals(pages[i]?.[1] ?? Buffer.alloc(0))).toBe(true);
          expect(() => decodeSinglePage(frame.subarray(1), entry, pageSize, kernel)).toThrow(
            expect.objectContaining({ code: 'LTX_TRUNCATED' }),
          );
          expect(() => decodeSinglePage(frame, { ...entry, pgno: 5 }, pageSize, kernel)).toThrow(invalid);
          const cut = frame.subarray(0, -1);
          expect(() => decodeSinglePage(cut, { ...entry, size: cut.length }, pageSize, kernel)).toThrow(invalid);
          const longer = file.subarray(entry.offset, entry.offset + entry.size + 1);
          expect(() => decodeSinglePage(longer, { ...entry, size: longer.length }, pageSize, kernel)).toThrow(invalid);
          const wrong = Buffer.from(frame).fill(0, 0, 6);
          expect(() => decodeSinglePage(wrong, entry, pageSize, kernel)).toThrow(invalid);
          wrong.writeUInt16BE(7, 4);
          wrong[3] = 3;
          expect(() => decodeSinglePage(wrong, entry, pageSize, kernel)).toThrow(/unknown flags/);
        });
        const huge = Buffer.alloc(2 * pageSize + 4097);
        expect(() => decodeSinglePage(huge, { pgno: 1, offset: 100, size: huge.length }, pageSize, kernel)).toThrow(invalid);
        expect(kernel.allocatedBytes).toBe(0);
      });
    }
  }
});
