import { describe, expect, test } from 'vitest';
import { Kernel } from '../../../src/formats/kernel/kernel.ts';
import { toChecksum } from '../../../src/formats/ltx/checksum.ts';
import { LTXDecoder } from '../../../src/formats/ltx/decoder.ts';
import { LTXEncoder, type LTXEncoderOptions } from '../../../src/formats/ltx/encoder.ts';
import { locatePageIndex, readPageIndex } from '../../../src/formats/ltx/page-index.ts';
import { lockPage, PAGE_SIZES } from '../../../src/formats/sqlite/page-size.ts';
import { comparePages, constantPage, decode, encode, header, SAME_PAGES } from '../../support/ltx-files.ts';
import { readOracle } from '../../support/ltx-oracle.ts';
import { Random, seedFromEnvironment } from '../../support/random.ts';

const invalid = expect.objectContaining({ code: 'LTX_INVALID' });
const missing = (pgno: number) => expect.objectContaining({ code: 'PAGE_MISSING', details: { pgno } });
const zero = (into: Uint8Array) => into.fill(0);
const discard = () => {};

/** Encodes zero pages with these numbers and finishes. */
const write = (init: Parameters<typeof header>, pages: readonly number[], options: LTXEncoderOptions = {}) => {
  using encoder = new LTXEncoder(discard, header(...init), options);
  for (const pgno of pages) encoder.writePage(pgno, zero);
  return encoder.finish();
};

describe('LTX encoder', () => {
  const seed = seedFromEnvironment();
  for (const pageSize of PAGE_SIZES) {
    for (const pageForm of ['block', 'frame'] as const) {
      test(`writes pages of ${pageSize} bytes in ${pageForm} form that a second reader reads (seed ${seed})`, () => {
        const random = new Random(seed + pageSize);
        const pages = new Map<number, Buffer>();
        const most = Math.min(40, 500_000 / pageSize);
        for (let pgno = random.between(1, 4); pages.size < most; pgno += random.chance(0.6) ? 1 : random.between(2, 300)) {
          const kind = random.between(0, 2);
          const body = kind === 0 ? random.bytes(pageSize) : kind === 1 ? constantPage(pgno, pageSize) : noise(random, pageSize);
          pages.set(pgno, body);
        }
        const commit = Math.max(...pages.keys());
        const file = encode(header(2, 9, commit, { pageSize }), pages, { pageForm });
        const read = readOracle(file);
        expect(comparePages(read.pages, pages)).toEqual(SAME_PAGES);
        expect(read.checksum).toBe(read.computed);
        expect(read.post).toBe(0n);
        expect(file.readUInt16BE(104)).toBe(pageForm === 'block' ? 1 : 0);
        expect(comparePages(decode(file, { piece: random.between(1, 5000) }).content, pages)).toEqual(SAME_PAGES);
        const where = locatePageIndex(file, file.length);
        const entries = [
          ...readPageIndex(file.subarray(where.offset, where.offset + where.size), {
            offset: where.offset,
            header: header(2, 9, commit, { pageSize }),
          }),
        ];
        expect(entries).toEqual(read.frames);
      });
    }
  }

  test('writes the same file however runs are cut, and says what it wrote', () => {
    const random = new Random(seed);
    const image = random.bytes(5000 * 512);
    const reference = encode(
      header(1, 5, 5000),
      Array.from({ length: 5000 }, (_, i) => [i + 1, image.subarray(i * 512, (i + 1) * 512)] as const),
    );
    for (let round = 0; round < 5; round++) {
      const chunks: Buffer[] = [];
      using encoder = new LTXEncoder((chunk) => chunks.push(Buffer.from(chunk)), header(1, 5, 5000));
      expect(encoder.maxRun).toBe(2048);
      for (let pgno = 1; pgno <= 5000; ) {
        const count = Math.min(random.pick([1, 7, 1000, encoder.maxRun]), 5001 - pgno);
        const from = (pgno - 1) * 512;
        encoder.writePages(pgno, count, (into) => {
          expect(into.length).toBe(count * 512);
          into.set(image.subarray(from, from + into.length));
        });
        pgno += count;
      }
      const result = encoder.finish();
      expect(Buffer.concat(chunks).equals(reference)).toBe(true);
      expect(result).toEqual({
        header: encoder.header,
        size: reference.length,
        pages: 5000,
        fileChecksum: reference.readBigUInt64BE(reference.length - 8),
      });
    }
  });

  test('needs one page at a time for the largest pages', () => {
    using encoder = new LTXEncoder(discard, header(2, 2, 100, { pageSize: 65536 }));
    expect(encoder.maxRun).toBe(16);
    expect(() => encoder.writePages(1, 17, zero)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    expect(() => encoder.writePages(1, 0, zero)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    expect(() => encoder.writePages(1.5, 1, zero)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
});

describe('LTX encoder refuses', () => {
  test('a page out of order, twice, above the commit, or page 0', () => {
    expect(() => write([2, 2, 9], [5, 4])).toThrow(invalid);
    expect(() => write([2, 2, 9], [5, 5])).toThrow(invalid);
    expect(() => write([2, 2, 9], [10])).toThrow(invalid);
    expect(() => write([2, 2, 9], [0])).toThrow(invalid);
    using encoder = new LTXEncoder(discard, header(2, 2, 9));
    encoder.writePages(2, 3, zero);
    expect(() => encoder.writePages(4, 2, zero)).toThrow(invalid);
    expect(() => encoder.writePages(8, 3, zero)).toThrow(invalid);
    encoder.writePages(8, 2, zero);
    expect(encoder.finish().pages).toBe(5);
  });

  test('the lock page, alone or inside a run', () => {
    const lock = lockPage(65536);
    const init = [2, 2, lock + 5, { pageSize: 65536 }] as const;
    expect(() => write([...init], [lock])).toThrow(invalid);
    using encoder = new LTXEncoder(discard, header(...init));
    expect(() => encoder.writePages(lock - 1, 3, zero)).toThrow(invalid);
    encoder.writePages(lock - 1, 1, zero);
    encoder.writePages(lock + 1, 1, zero);
    expect(encoder.finish().pages).toBe(2);
  });

  test('a file from TXID 1 that lacks a page', () => {
    expect(() => write([1, 1, 3], [2])).toThrow(missing(1));
    expect(() => write([1, 1, 3], [1, 3])).toThrow(missing(2));
    expect(() => write([1, 1, 3], [1, 2])).toThrow(missing(3));
    expect(() => write([1, 1, 3], [])).toThrow(missing(1));
    expect(write([1, 1, 3], [1, 2, 3]).pages).toBe(3);
  });

  test('a growth that lacks a new page', () => {
    const required = { after: 5, upTo: 8 };
    expect(() => write([2, 2, 8], [1, 6, 8], { required })).toThrow(missing(7));
    expect(() => write([2, 2, 8], [1, 7, 8], { required })).toThrow(missing(6));
    expect(() => write([2, 2, 8], [1, 6, 7], { required })).toThrow(missing(8));
    expect(() => write([2, 2, 8], [], { required })).toThrow(missing(6));
    expect(write([2, 2, 8], [2, 6, 7, 8], { required }).pages).toBe(4);
    expect(write([2, 2, 8], [1], { required: { after: 8, upTo: 8 } }).pages).toBe(1);
    expect(write([2, 2, 8], [1], { required: { after: 9, upTo: 8 } }).pages).toBe(1);
  });

  test('a growth over the lock page only for real pages', () => {
    const lock = lockPage(65536);
    const init = [2, 2, lock + 1, { pageSize: 65536 }] as const;
    const required = { after: lock - 2, upTo: lock + 1 };
    expect(write([...init], [lock - 1, lock + 1], { required }).pages).toBe(2);
    expect(() => write([...init], [lock - 1], { required })).toThrow(missing(lock + 1));
    expect(() => write([...init], [lock + 1], { required })).toThrow(missing(lock - 1));
    expect(write([2, 2, lock, { pageSize: 65536 }], [lock - 1], { required: { after: lock - 2, upTo: lock } }).pages).toBe(1);
  });

  test('a snapshot whose last page is the lock page ends before it', () => {
    const lock = lockPage(65536);
    const write = (commit: number, skip: number) => {
      using encoder = new LTXEncoder(discard, header(1, 1, commit, { pageSize: 65536 }));
      const last = commit - skip;
      for (let pgno = 1; pgno <= last; pgno += 16) encoder.writePages(pgno, Math.min(16, last - pgno + 1, lock - pgno), () => {});
      return encoder.finish().pages;
    };
    expect(write(lock, 1)).toBe(lock - 1);
    expect(() => write(lock - 1, 1)).toThrow(missing(lock - 1));
  });

  test('a header or a post-apply checksum that breaks a rule', () => {
    expect(() => new LTXEncoder(discard, header(1, 1, 0))).toThrow(invalid);
    expect(() => new LTXEncoder(discard, header(3, 2, 1))).toThrow(invalid);
    const plain = new LTXEncoder(discard, header(2, 2, 1));
    expect(() => plain.finish(toChecksum(1n << 63n))).toThrow(invalid);
    const tracked = new LTXEncoder(discard, header(1, 2, 0, { noChecksum: false }));
    expect(() => tracked.finish()).toThrow(invalid);
    expect(tracked.finish(toChecksum(1n << 63n)).pages).toBe(0);
  });

  test('to go on after the sink failed, so that a torn file is never finished', () => {
    let calls = 0;
    using encoder = new LTXEncoder(
      () => {
        if (++calls === 2) throw new Error('no space');
      },
      header(2, 2, 9000),
    );
    expect(() => {
      for (let pgno = 1; pgno <= 9000; pgno++) encoder.writePage(pgno, zero);
    }).toThrow('no space');
    expect(() => encoder.writePage(9000, zero)).toThrow(/earlier write failed/);
    expect(() => encoder.finish()).toThrow(/earlier write failed/);
  });

  test('to be used after it has finished', () => {
    const encoder = new LTXEncoder(discard, header(2, 2, 9));
    encoder.finish();
    expect(() => encoder.finish()).toThrow(/closed/);
    expect(() => encoder.writePage(1, zero)).toThrow(/closed/);
    encoder[Symbol.dispose]();
  });
});

describe('a database across the lock page', () => {
  for (const pageForm of ['block', 'frame'] as const) {
    test(`is encoded and decoded page by page without it (${pageForm} form)`, () => {
      const lock = lockPage(65536);
      let pages = 0;
      let last = 0;
      let wrong = 0;
      using decoder = new LTXDecoder(({ count, pgnos, pages: bytes }) => {
        for (let i = 0; i < count; i++) {
          const pgno = pgnos[i] ?? 0;
          if (pgno === lock || pgno <= last || bytes[i * 65536 + 5] !== (pgno & 255)) wrong++;
          last = pgno;
          pages++;
        }
      });
      using encoder = new LTXEncoder((chunk) => decoder.push(chunk), header(1, 1, lock + 3, { pageSize: 65536 }), { pageForm });
      for (let pgno = 1; pgno <= lock + 3; pgno++) {
        if (pgno === lock) continue;
        encoder.writePage(pgno, (into) => {
          into.fill(0);
          into[5] = pgno;
        });
      }
      expect(encoder.finish().pages).toBe(lock + 2);
      expect(decoder.end().pages).toBe(lock + 2);
      expect({ pages, last, wrong }).toEqual({ pages: lock + 2, last: lock + 3, wrong: 0 });
    });
  }
});

describe('an encoder', () => {
  test('is as it was when the source of a page fails', () => {
    const chunks: Buffer[] = [];
    using encoder = new LTXEncoder((chunk) => chunks.push(Buffer.from(chunk)), header(1, 1, 2));
    encoder.writePage(1, zero);
    const fail = () => {
      throw new Error('short read');
    };
    expect(() => encoder.writePage(2, fail)).toThrow('short read');
    encoder.writePage(2, zero);
    encoder.finish();
    expect(decode(Buffer.concat(chunks)).pages).toBe(2);
  });

  test('sends nothing before it has to', () => {
    let calls = 0;
    using encoder = new LTXEncoder(() => calls++, header(1, 1, 1));
    encoder.writePage(1, zero);
    expect(calls).toBe(0);
    encoder.finish();
    expect(calls).toBeGreaterThan(0);
  });

  test('gives its memory back when it finishes or is disposed of', () => {
    const kernel = Kernel.create();
    for (const pageForm of ['block', 'frame'] as const) {
      write([2, 2, 1], [1], { kernel, pageForm });
      const idle = kernel.allocatedBytes;
      write([2, 2, 1], [1], { kernel, pageForm });
      expect(() => write([1, 2, 2], [1], { kernel, pageForm })).toThrow();
      expect(() => new LTXEncoder(discard, header(0, 2, 2), { kernel, pageForm })).toThrow();
      expect(kernel.allocatedBytes).toBe(idle);
    }
  });

  test('can take turns with others on one kernel', () => {
    const kernel = Kernel.create();
    const files = [0, 1, 2].map(() => [] as Buffer[]);
    const encoders = files.map((chunks) => new LTXEncoder((chunk) => chunks.push(Buffer.from(chunk)), header(2, 2, 3000), { kernel }));
    for (let pgno = 1; pgno <= 3000; pgno++) {
      for (const [i, encoder] of encoders.entries()) encoder.writePage(pgno, (into) => into.fill(pgno + i));
    }
    for (const encoder of encoders) encoder.finish();
    files.forEach((chunks, i) => {
      const { content } = decode(Buffer.concat(chunks));
      expect(content.size).toBe(3000);
      for (const [pgno, page] of content) expect(page[511]).toBe((pgno + i) & 255);
    });
  });
});

const noise = (random: Random, length: number): Buffer => Buffer.from(Array.from({ length }, () => random.between(0, 255)));
