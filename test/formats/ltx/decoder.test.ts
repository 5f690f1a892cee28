import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { Kernel } from '../../../src/formats/kernel/kernel.ts';
import { crc64 } from '../../../src/formats/kernel/oracle/crc64.ts';
import { xxh32 } from '../../../src/formats/kernel/xxh32.ts';
import { LTXDecoder } from '../../../src/formats/ltx/decoder.ts';
import { locatePageIndex } from '../../../src/formats/ltx/page-index.ts';
import { PAGE_SIZES } from '../../../src/formats/sqlite/page-size.ts';
import { comparePages, constantPage, decode, encode, header, SAME_PAGES } from '../../support/ltx-files.ts';
import { greedyBlock, type OracleFile, type OraclePage, readOracle, rollingChecksum, writeOracle } from '../../support/ltx-oracle.ts';
import { Random, seedFromEnvironment } from '../../support/random.ts';

const FLAG = 1n << 63n;
const page = (pgno: number, byte = pgno, size = 512): OraclePage => ({ pgno, page: constantPage(byte, size) });
const base = { pageSize: 512, commit: 9, min: 2n, max: 3n };

/** What decoding says about a broken file. */
function failure(file: Uint8Array, piece?: number): { code: string; offset: unknown; message: string } {
  try {
    decode(file, piece === undefined ? {} : { piece });
  } catch (error) {
    if (error instanceof LitestreamError) return { code: error.code, offset: error.details?.offset, message: error.message };
    throw error;
  }
  return { code: 'none', offset: undefined, message: '' };
}

describe('LTX decoder', () => {
  const seed = seedFromEnvironment();
  for (const pageSize of PAGE_SIZES) {
    test(`reads what another writer wrote in pages of ${pageSize} bytes, forms mixed, in pieces of any size (seed ${seed})`, () => {
      const random = new Random(seed + pageSize);
      for (let round = 0; round < 4; round++) {
        const pages: OraclePage[] = [];
        for (let pgno = random.between(1, 3); pages.length < 12 && pgno < 60; pgno += random.between(1, 4)) {
          const form = random.pick(['block', 'frame'] as const);
          pages.push({ pgno, page: random.chance(0.3) ? constantPage(pgno, pageSize) : random.bytes(pageSize), form });
        }
        const file = writeOracle({ header: { pageSize, commit: 99, min: 5n, max: 9n, ts: 7n }, pages }, greedyBlock);
        const expected = new Map(pages.map(({ pgno, page: bytes }) => [pgno, Buffer.from(bytes)]));
        const read = decode(file, {
          piece: random.pick([1, 7, 99, 100, 101, 4096, file.length]),
          windowBytes: random.pick([1, pageSize, 1 << 20]),
        });
        expect(comparePages(read.content, expected)).toEqual(SAME_PAGES);
        expect(read).toMatchObject({ pages: pages.length, size: file.length, warnings: [] });
      }
    });
  }

  for (const pageForm of ['block', 'frame'] as const) {
    const random = new Random(4);
    const snapshot = encode(
      header(1, 4, 3),
      [1, 2, 3].map((pgno) => [pgno, pgno === 2 ? constantPage(0) : random.bytes(512)] as const),
      { pageForm },
    );

    test(`finds the file cut at any length (${pageForm} form) (row 68)`, () => {
      for (let length = 0; length < snapshot.length; length++) {
        expect(failure(snapshot.subarray(0, length)), `length ${length}`).toMatchObject({ code: 'LTX_TRUNCATED', offset: length });
      }
    });

    test(`finds any byte that follows (${pageForm} form)`, () => {
      for (const more of ['00', '01', '4c545831', '00'.repeat(16)]) {
        const file = Buffer.concat([snapshot, Buffer.from(more, 'hex')]);
        for (const piece of [1, file.length]) expect(failure(file, piece)).toMatchObject({ code: 'LTX_INVALID', offset: snapshot.length });
      }
    });

    test(`finds every flipped bit of every byte, except where LZ4 says the same page in another way (${pageForm} form)`, () => {
      const { content, ...facts } = decode(snapshot);
      const payloads = readOracle(snapshot).frames.map(({ offset, size }) => [offset + 10, offset + size] as const);
      let irrelevant = 0;
      for (let at = 0; at < snapshot.length; at++) {
        for (let bit = 0; bit < 8; bit++) {
          const broken = Buffer.from(snapshot);
          broken[at] = (broken[at] ?? 0) ^ (1 << bit);
          const found = failure(broken);
          if (found.code !== 'none') {
            expect(found.code, `byte ${at} bit ${bit}`).toMatch(/^LTX_(INVALID|TRUNCATED|CHECKSUM_MISMATCH)$/);
            expect(found.offset).toBeTypeOf('number');
            continue;
          }
          // A match may name another of several equal places; then every page, header, index and trailer is as it was.
          expect(decode(broken), `byte ${at} bit ${bit}`).toEqual({ ...facts, content });
          expect(
            payloads.some(([start, end]) => at >= start && at < end),
            `byte ${at} bit ${bit}`,
          ).toBe(true);
          irrelevant++;
        }
      }
      expect(irrelevant).toBeLessThan(32);
    });
  }

  test('survives random damage: an error with a code, or the same content (seeded)', () => {
    const random = new Random(seed);
    const good = encode(
      header(2, 4, 30),
      [1, 2, 3, 9, 30].map((pgno) => [pgno, random.bytes(512)] as const),
    );
    const reference = decode(good);
    for (let round = 0; round < 3000; round++) {
      const broken = Buffer.from(good);
      for (let i = random.between(1, 6); i > 0; i--) broken[random.between(100, good.length - 1)] = random.between(0, 255);
      const cut = random.chance(0.2) ? broken.subarray(0, random.between(0, broken.length)) : broken;
      const found = failure(cut, random.chance(0.1) ? 13 : undefined);
      if (found.code === 'none') expect(decode(cut).content).toEqual(reference.content);
      else expect(found.code).toMatch(/^LTX_/);
    }
  });
});

describe('unusual but legal LZ4 frames', () => {
  const body = Buffer.from(Array.from({ length: 512 }, (_, i) => (i * 7) & 255));
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  /** A frame of stored blocks. */
  const lz4Frame = (flags: number, blocks: readonly Buffer[]): Buffer => {
    const size = (flags & 8) === 0 ? Buffer.alloc(0) : Buffer.concat([u32(512), u32(0)]);
    const descriptor: Buffer = Buffer.concat([Buffer.from([flags, 0x70]), size]);
    const parts: Buffer[] = [Buffer.from('04224d18', 'hex'), descriptor, Buffer.from([(xxh32(descriptor) >>> 8) & 255])];
    for (const stored of blocks) {
      parts.push(u32(0x8000_0000 + stored.length), stored);
      if ((flags & 0x10) !== 0) parts.push(u32(xxh32(stored)));
    }
    parts.push(u32(0));
    if ((flags & 4) !== 0) parts.push(u32(xxh32(body)));
    return Buffer.concat(parts);
  };
  const halves = [body.subarray(0, 200), body.subarray(200)];
  for (const [title, frame] of [
    ['two blocks', lz4Frame(0x64, halves)],
    ['content size and block checksums', lz4Frame(0x7c, halves)],
    ['no content checksum', lz4Frame(0x60, [body])],
    ['linked blocks', lz4Frame(0x44, halves)],
    [
      'many small blocks',
      lz4Frame(
        0x64,
        Array.from({ length: 512 }, (_, i) => body.subarray(i, i + 1)),
      ),
    ],
  ] as const) {
    test(`with ${title} are read, between ordinary pages and in pieces`, () => {
      const pages = [
        page(1),
        { pgno: 2, page: body, raw: frame },
        { ...page(3), form: 'frame' as const },
        { pgno: 4, page: body, raw: frame },
        page(5),
      ];
      const file = writeOracle({ header: base, pages });
      for (const piece of [1, 50, file.length]) {
        const read = decode(file, { piece, windowBytes: 512 });
        expect(comparePages(read.content, new Map(pages.map((found) => [found.pgno, Buffer.from(found.page)])))).toEqual(SAME_PAGES);
      }
    });
  }
});

describe('an LTX file is refused', () => {
  const cases: readonly (readonly [string, string, RegExp, OracleFile])[] = [
    ['with a page twice', 'LTX_INVALID', /page 2 after page 2/, { header: base, pages: [page(2), page(2)] }],
    ['with pages out of order', 'LTX_INVALID', /page 1 after page 2/, { header: base, pages: [page(2), page(1)] }],
    ['with a page above the commit', 'LTX_INVALID', /page 10 in a database of 9/, { header: base, pages: [page(10)] }],
    [
      'with the lock page',
      'LTX_INVALID',
      /lock page/,
      { header: { ...base, pageSize: 65536, commit: 20000 }, pages: [page(16385, 0, 65536)] },
    ],
    [
      'from TXID 1 without page 1',
      'LTX_INVALID',
      /page 1 is missing/,
      { header: { ...base, min: 1n, commit: 3 }, pages: [page(2), page(3)] },
    ],
    ['from TXID 1 with a hole', 'LTX_INVALID', /page 2 is missing/, { header: { ...base, min: 1n, commit: 3 }, pages: [page(1), page(3)] }],
    [
      'from TXID 1 without its last page',
      'LTX_INVALID',
      /page 3 is missing/,
      { header: { ...base, min: 1n, commit: 3 }, pages: [page(1), page(2)] },
    ],
    ['from TXID 1 without pages', 'LTX_INVALID', /page 1 is missing/, { header: { ...base, min: 1n, commit: 3 }, pages: [] }],
    [
      'from TXID 1 with database checksums that its pages do not give',
      'LTX_CHECKSUM_MISMATCH',
      /post-apply/,
      { header: { ...base, flags: 0, min: 1n, commit: 1 }, pages: [page(1)], post: FLAG | 5n },
    ],
  ];
  for (const [title, code, message, file] of cases) {
    test(title, () => {
      const bytes = writeOracle(file);
      const found = failure(bytes);
      expect(found.code).toBe(code);
      expect(found.message).toMatch(message);
      expect(failure(bytes, 1)).toEqual(found);
    });
  }

  const block = writeOracle({ header: base, pages: [page(1)] });
  const change = (edit: (bytes: Buffer) => void, of: Buffer = block): Buffer => {
    const bytes = Buffer.from(of);
    edit(bytes);
    return bytes;
  };
  const frame = writeOracle({ header: base, pages: [{ ...page(1), form: 'frame' }] });

  const malformed: readonly (readonly [string, RegExp, Buffer, number])[] = [
    ['with page 0 that is no end marker', /page number 0/, change((bytes) => bytes.writeUInt32BE(0, 100)), 100],
    ['with an unknown page flag', /flags 0x3/, change((bytes) => bytes.writeUInt16BE(3, 104)), 100],
    ['with a block that claims 4 GiB', /impossible size/, change((bytes) => bytes.writeUInt32BE(0xffff_ffff, 106)), 100],
    ['with a block larger than any page needs', /impossible size/, change((bytes) => bytes.writeUInt32BE(512 + 2 + 17, 106)), 100],
    ['with an empty block', /impossible size|malformed/, change((bytes) => bytes.writeUInt32BE(0, 106)), 100],
    ['with a block that inflates to half a page', /does not hold one page/, writeOracle({ header: base, pages: [page(1, 1, 256)] }), 100],
    ['with a block that inflates to two pages', /does not hold one page/, writeOracle({ header: base, pages: [page(1, 1, 1024)] }), 100],
    [
      'with a frame that inflates to half a page',
      /does not hold one page/,
      writeOracle({ header: base, pages: [{ ...page(1, 1, 256), form: 'frame' }] }),
      100,
    ],
    [
      'with a frame that inflates to two pages',
      /does not hold one page/,
      writeOracle({ header: base, pages: [{ ...page(1, 1, 1024), form: 'frame' }] }),
      100,
    ],
    ['with a frame that is none', /LZ4 frame of page 1 is malformed/, change((bytes) => bytes.writeUInt8(5, 106), frame), 100],
  ];
  for (const [title, message, bytes, offset] of malformed) {
    test(title, () => {
      const found = failure(bytes);
      expect(found).toMatchObject({ code: 'LTX_INVALID', offset });
      expect(found.message).toMatch(message);
      expect(failure(bytes, 1)).toMatchObject({ code: 'LTX_INVALID', offset });
    });
  }

  test('whose LZ4 frame has a wrong content checksum, as a checksum mismatch', () => {
    const size = 6 + 19 + greedyBlock(page(1).page).length;
    expect(failure(change((bytes) => bytes.writeUInt8((bytes[100 + size - 1] ?? 0) ^ 1, 100 + size - 1), frame))).toMatchObject({
      code: 'LTX_CHECKSUM_MISMATCH',
      offset: 100,
    });
  });

  test('whose LZ4 frame has no end, before it needs much memory', () => {
    const endless = Buffer.concat([frame.subarray(0, 113), Buffer.alloc(100_000, Buffer.from([0, 0, 0, 0x80]))]);
    const found = failure(endless);
    expect(found.code).toBe('LTX_INVALID');
  });

  test('whose page index lists something else, even with a right file checksum', () => {
    const two = writeOracle({ header: base, pages: [page(1), page(2)] });
    const index = locatePageIndex(two, two.length).offset;
    for (const at of [index, index + 1, index + 2]) {
      const bytes = change((copy) => copy.writeUInt8((copy[at] ?? 0) ^ 4, at), two);
      expect(failure(bytes).code).toBe('LTX_CHECKSUM_MISMATCH');
      expect(failure(resealed(bytes))).toMatchObject({ code: 'LTX_INVALID', offset: index });
    }
    const wrongSize = resealed(change((copy) => copy.writeBigUInt64BE(9n, two.length - 24), two));
    expect(failure(wrongSize)).toMatchObject({ code: 'LTX_INVALID' });
  });

  test('of variant v1 or v2, by name (row 43)', () => {
    const v1 = Buffer.alloc(8192);
    block.copy(v1, 0, 0, 100);
    v1.writeUInt32BE(1, 100);
    v1.write('SQLite format 3\0', 104, 'latin1');
    expect(failure(v1)).toMatchObject({ code: 'LTX_INVALID', offset: 100 });
    expect(failure(v1).message).toMatch(/variant v1/);
    const v2 = Buffer.concat([frame.subarray(0, 104), frame.subarray(106)]);
    expect(failure(v2)).toMatchObject({ code: 'LTX_INVALID', offset: 100 });
    expect(failure(v2).message).toMatch(/variant v2/);
    const compressed = change((bytes) => bytes.writeUInt32BE(1, 4));
    expect(failure(compressed).message).toMatch(/variant v1/);
  });
});

describe('an LTX file is read with a warning', () => {
  test('when it has a post-apply checksum it should not have, or lacks one', () => {
    expect(decode(writeOracle({ header: base, pages: [page(1)], post: FLAG })).warnings).toHaveLength(1);
    const lacking = { flags: 0, ...base, pre: FLAG | 1n };
    expect(decode(writeOracle({ header: lacking, pages: [page(1)], post: 0n })).warnings).toHaveLength(1);
    expect(decode(writeOracle({ header: lacking, pages: [page(1)], post: FLAG })).warnings).toEqual([]);
  });
});

describe('decoding', () => {
  test('hands over the header before the first pages, once', () => {
    const events: string[] = [];
    using decoder = new LTXDecoder(() => events.push('pages'), { onHeader: (found) => events.push(`header ${found.commit}`) });
    decoder.push(writeOracle({ header: base, pages: [page(1), page(2)] }));
    decoder.end();
    expect(events).toEqual(['header 9', 'pages']);
  });

  test('takes bytes placed straight into its window', () => {
    const file = writeOracle({ header: base, pages: [page(1), page(2)] });
    const pages: number[] = [];
    using decoder = new LTXDecoder((batch) => pages.push(...batch.pgnos));
    for (let at = 0; at < file.length; ) {
      const window = decoder.window();
      expect(window.length).toBeGreaterThan(0);
      const part = file.subarray(at, at + window.length);
      window.set(part);
      decoder.fill(part.length);
      at += part.length;
    }
    expect(decoder.end().pages).toBe(2);
    expect(pages).toEqual([1, 2]);
  });

  test('delivers batches that fit the window and are good even while other files share the kernel', () => {
    const kernel = Kernel.create();
    const pages = Array.from({ length: 50 }, (_, i) => page(i + 1));
    const file = writeOracle({ header: { ...base, commit: 50, min: 1n }, pages });
    const seen: number[] = [];
    const counts: number[] = [];
    using decoder = new LTXDecoder(
      (batch) => {
        counts.push(batch.count);
        // The second decoder makes the kernel's memory grow, which empties views that exist already.
        const inner: number[] = [];
        using other = new LTXDecoder((found) => inner.push(...found.pgnos), { kernel, windowBytes: 1 << 22 });
        other.push(file);
        other.end();
        expect(inner.length).toBe(50);
        for (let i = 0; i < batch.count; i++) {
          expect(batch.pages[i * 512]).toBe(batch.pgnos[i]);
          seen.push(batch.pgnos[i] ?? 0);
        }
      },
      { kernel, windowBytes: 8 * 512 },
    );
    decoder.push(file);
    decoder.end();
    expect(seen).toEqual(pages.map(({ pgno }) => pgno));
    expect(Math.max(...counts)).toBe(8);
  });

  test('gives its memory back when it ends, fails or is disposed of', () => {
    const kernel = Kernel.create();
    const file = writeOracle({ header: base, pages: [page(1)] });
    decode(file, { kernel });
    const scratch = kernel.allocatedBytes;
    decode(file, { kernel });
    expect(() => decode(file.subarray(0, 150), { kernel })).toThrow();
    expect(() => decode(Buffer.alloc(200, 1), { kernel })).toThrow();
    const abandoned = new LTXDecoder(() => {}, { kernel });
    abandoned.push(file);
    abandoned[Symbol.dispose]();
    abandoned[Symbol.dispose]();
    expect(kernel.allocatedBytes).toBe(scratch);
    expect(() => abandoned.window()).toThrow(/closed/);
  });

  test('cannot be gone on with after an error', () => {
    const wrong = writeOracle({ header: base, pages: [page(2), page(1), page(3)] });
    using decoder = new LTXDecoder(() => {});
    expect(() => decoder.push(wrong)).toThrow(/page 1 after page 2/);
    expect(() => decoder.push(wrong.subarray(200))).toThrow(/has failed/);
    expect(() => decoder.end()).toThrow(/has failed/);
    using other = new LTXDecoder(() => {});
    expect(() => other.push(Buffer.alloc(100))).toThrow(/all zero bytes/);
    expect(() => other.end()).toThrow(/has failed/);
  });

  test('takes no more bytes than its window has', () => {
    using decoder = new LTXDecoder(() => {});
    for (const count of [101, -1, 1.5, Number.NaN])
      expect(() => decoder.fill(count)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    decoder.push(writeOracle({ header: base, pages: [page(1)] }).subarray(0, 120));
    expect(() => decoder.fill(decoder.window().length + 1)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  test('does not believe a commit of four billion pages', () => {
    const kernel = Kernel.create();
    const file = writeOracle({ header: { ...base, commit: 0xffff_ffff }, pages: [page(1)] });
    expect(decode(file, { kernel }).pages).toBe(1);
    expect(kernel.memoryBytes).toBeLessThan(8 << 20);
  });

  test('checks the rolling checksum of a snapshot with database checksums', () => {
    const pages = [1, 2, 3].map((pgno) => page(pgno));
    const post = rollingChecksum(pages.map((found) => [found.pgno, found.page] as const));
    const file = writeOracle({ header: { ...base, flags: 0, min: 1n, commit: 3 }, pages, post });
    expect(decode(file).trailer.postApplyChecksum).toBe(post);
  });
});

/** The file with the checksum that its bytes give. Its pages are constants of their number. */
function resealed(file: Buffer): Buffer<ArrayBuffer> {
  const size = file.length - 24;
  const sealed = Buffer.from(file);
  const frames = sealed.indexOf(Buffer.alloc(6), 100);
  const hashed: Buffer[] = [sealed.subarray(0, 100)];
  for (let at = 100; at < frames; at += 10 + sealed.readUInt32BE(at + 6)) {
    hashed.push(sealed.subarray(at, at + 10), constantPage(sealed.readUInt32BE(at)));
  }
  hashed.push(sealed.subarray(frames, size + 16));
  sealed.writeBigUInt64BE(crc64(0n, Buffer.concat(hashed)) | FLAG, size + 16);
  return sealed;
}
