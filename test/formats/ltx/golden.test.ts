/** Golden files and constants: what other implementations wrote or computed (docs/formats/ltx.md, "Vectors"). */

import { describe, expect, test } from 'vitest';
import { NO_CHECKSUM, toChecksum } from '../../../src/formats/ltx/checksum.ts';
import { decodeHeader, encodeHeader } from '../../../src/formats/ltx/header.ts';
import { mergeLTX } from '../../../src/formats/ltx/merge.ts';
import { constantPage, decode, encode, header } from '../../support/ltx-files.ts';
import { constantBlock, literalBlock, type OracleFile, readOracle, rollingChecksum, writeOracle } from '../../support/ltx-oracle.ts';
import { V1, V2, V3_A, V3_B, V3_C, V5, V7 } from './vectors.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const hex = (value: bigint): string => value.toString(16).padStart(16, '0');
const constants = (content: Map<number, Buffer>) =>
  [...content].map(([pgno, page]) => [pgno, page[0], page.equals(constantPage(page[0] ?? 0, page.length))]);

const v1Header = {
  pageSize: 512,
  commit: 3,
  min: 7n,
  max: 7n,
  ts: 1_700_000_000_123n,
  walOffset: 4152n,
  walSize: 1072n,
  salts: [0x11223344, 0x55667788],
} as const;
const v1Pages = [2, 3].map((pgno, i) => ({ pgno, page: constantPage([0xaa, 0xbb][i] ?? 0) }));

describe('complete files', () => {
  test('V1, block form: header, pages, checksum and size are read', () => {
    const file = decode(bytes(V1));
    expect(file.header).toEqual({
      noChecksum: true,
      pageSize: 512,
      commit: 3,
      minTXID: 7n,
      maxTXID: 7n,
      timestamp: 1_700_000_000_123,
      preApplyChecksum: NO_CHECKSUM,
      walOffset: 4152,
      walSize: 1072,
      walSalt1: 0x11223344,
      walSalt2: 0x55667788,
      nodeID: 0n,
    });
    expect(constants(file.content)).toEqual([
      [2, 0xaa, true],
      [3, 0xbb, true],
    ]);
    expect(hex(file.trailer.fileChecksum)).toBe('af80d42a07e40bc2');
    expect(file).toMatchObject({ size: 206, pages: 2, warnings: [] });
    expect(writeOracle({ header: v1Header, pages: v1Pages }, constantBlock).toString('hex')).toBe(V1);
  });

  test('V2, frame form: the same content', () => {
    const file = decode(bytes(V2));
    expect(file.header).toEqual(decode(bytes(V1)).header);
    expect(file.content).toEqual(decode(bytes(V1)).content);
    expect(hex(file.trailer.fileChecksum)).toBe('a14732f01b7209af');
    expect(file.size).toBe(236);
    const pages = v1Pages.map((page) => ({ ...page, form: 'frame' as const }));
    expect(writeOracle({ header: v1Header, pages }, constantBlock).toString('hex')).toBe(V2);
  });

  test('V3, compaction: A and B merge into the content of C', () => {
    const chunks: Buffer[] = [];
    const sources = [V3_B, V3_A].map((file, i) => source(`input ${i}`, bytes(file)));
    const result = mergeLTX(sources, (chunk) => chunks.push(Buffer.from(chunk)));
    const merged = decode(Buffer.concat(chunks));
    const expected = decode(bytes(V3_C));
    expect(merged.header).toEqual(expected.header);
    expect(merged.content).toEqual(expected.content);
    expect(result.fileChecksum).toBe(merged.trailer.fileChecksum);
    expect(hex(expected.trailer.fileChecksum)).toBe('9cd48e86a714475f');
    expect(decode(bytes(V3_A)).trailer.fileChecksum).toBe(0xc997de7989584b41n);
    expect(decode(bytes(V3_B)).trailer.fileChecksum).toBe(0xad03718406b4f613n);
    // Pages are taken over without compressing them again: the merge is C to the byte.
    expect(Buffer.concat(chunks).toString('hex')).toBe(V3_C);
  });

  test('V4: a literal-only block', () => {
    const page = Buffer.from(Array.from({ length: 512 }, (_, i) => i & 255));
    const file = writeOracle({ header: { pageSize: 512, commit: 1, min: 1n, max: 1n }, pages: [{ pgno: 1, page }] }, literalBlock);
    expect(file.subarray(110, 113).toString('hex')).toBe('f0fff2');
    const read = decode(file);
    expect(read).toMatchObject({ size: 660, content: new Map([[1, page]]) });
    expect(hex(read.trailer.fileChecksum)).toBe('89917052d3ef8d59');
  });

  test('V5: no pages; our own encoder writes the same bytes', () => {
    expect(decode(bytes(V5))).toMatchObject({ pages: 0, size: 131, content: new Map() });
    expect(encode(header(5, 5, 1, { timestamp: 0 }), []).toString('hex')).toBe(V5);
    expect(V5.endsWith('e52aa5267a25148a')).toBe(true);
  });

  test('V7: a snapshot with database checksums', () => {
    const file = decode(bytes(V7));
    expect(file.header).toMatchObject({ noChecksum: false, pageSize: 1024, commit: 2, minTXID: 1n, timestamp: 1000 });
    expect(constants(file.content)).toEqual([
      [1, 0x32, true],
      [2, 0x33, true],
    ]);
    expect(hex(file.trailer.postApplyChecksum)).toBe('e1899b6d587aaaaa');
    expect(hex(file.trailer.fileChecksum)).toBe('f86fcff36247df82');
    expect(readOracle(bytes(V7)).frames).toEqual([
      { pgno: 1, offset: 100, size: 36 },
      { pgno: 2, offset: 136, size: 36 },
    ]);
  });

  test('a header is written as it was read', () => {
    for (const file of [V1, V2, V3_A, V3_B, V3_C, V5, V7]) {
      const stored = bytes(file).subarray(0, 100);
      expect(Buffer.from(encodeHeader(decodeHeader(stored)))).toEqual(stored);
    }
  });
});

describe('checksums of complete files', () => {
  const constant = (pgno: number, byte: number) => ({ pgno, page: constantPage(byte, 1024) });
  const cases: { readonly title: string; readonly file: OracleFile; readonly block: string; readonly frame: string }[] = [
    {
      title: 'snapshot',
      file: {
        header: { flags: 0, pageSize: 1024, commit: 3, min: 1n, max: 2n, ts: 2000n },
        pages: [constant(1, 0x91), constant(2, 0x82), constant(3, 0x93)],
        post: 0x8a249272ad9f7dean,
      },
      frame: 'e836ad7ac0be7594',
      block: '91206f60138b3298',
    },
    {
      title: 'non-snapshot',
      file: {
        header: { flags: 0, pageSize: 1024, commit: 5, min: 2n, max: 9n, ts: 3000n, pre: (1n << 63n) | 2n },
        pages: [constant(1, 0x91), constant(2, 0xa2), constant(3, 0xa3), constant(5, 0xa5)],
        post: (1n << 63n) | 9n,
      },
      frame: 'c08218012f50038e',
      block: 'a211dd2208ba47a3',
    },
    {
      title: 'shrink',
      file: {
        header: { flags: 0, pageSize: 1024, commit: 2, min: 2n, max: 5n, ts: 2000n, pre: (1n << 63n) | 2n },
        pages: [constant(1, 0x91)],
        post: (1n << 63n) | 5n,
      },
      frame: '83c62dde98efed0f',
      block: 'bda4cf27940698e3',
    },
  ];

  for (const { title, file, block, frame } of cases) {
    for (const [form, sum] of [
      ['block', block],
      ['frame', frame],
    ] as const) {
      test(`${title} in ${form} form is ${sum}`, () => {
        const written = writeOracle({ ...file, pages: file.pages.map((page) => ({ ...page, form })) }, constantBlock);
        expect(hex(readOracle(written).computed)).toBe(sum);
        expect(hex(decode(written).trailer.fileChecksum)).toBe(sum);
      });
    }
  }

  test('our encoder gives files with database checksums what the oracle gives them', () => {
    const pages = [1, 2, 3].map((pgno) => [pgno, constantPage(pgno, 512)] as const);
    const post = rollingChecksum(pages);
    expect(hex(post)).toBe('efffffffecd99000');
    const init = header(1, 2, 3, { noChecksum: false });
    const file = encode(init, pages, {}, toChecksum(post));
    expect(decode(file).trailer).toEqual({ postApplyChecksum: post, fileChecksum: readOracle(file).computed });
  });
});

function source(name: string, file: Buffer) {
  let at = 0;
  return {
    name,
    read(into: Uint8Array): number {
      const count = Math.min(into.length, file.length - at);
      into.set(file.subarray(at, at + count));
      at += count;
      return count;
    },
  };
}
