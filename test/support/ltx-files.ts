/** Makes and reads LTX files with the product's encoder and decoder, in memory. */

import type { Checksum } from '../../src/formats/ltx/checksum.ts';
import { type DecodedLTX, LTXDecoder, type LTXDecoderOptions } from '../../src/formats/ltx/decoder.ts';
import { LTXEncoder, type LTXEncoderOptions } from '../../src/formats/ltx/encoder.ts';
import type { LTXHeaderInit } from '../../src/formats/ltx/header.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';

/** Header fields of a small file; `min` and `max` are TXIDs. */
export const header = (min: number, max: number, commit: number, more: Partial<LTXHeaderInit> = {}): LTXHeaderInit => ({
  pageSize: 512,
  commit,
  minTXID: toTXID(min),
  maxTXID: toTXID(max),
  timestamp: 1_700_000_000_000,
  ...more,
});

/** Encodes pages, given in ascending order. */
export function encode(
  init: LTXHeaderInit,
  pages: Iterable<readonly [number, Uint8Array]>,
  options: LTXEncoderOptions = {},
  post?: Checksum,
): Buffer {
  const chunks: Buffer[] = [];
  using encoder = new LTXEncoder((chunk) => chunks.push(Buffer.from(chunk)), init, options);
  for (const [pgno, page] of pages) encoder.writePage(pgno, (into) => into.set(page));
  encoder.finish(post);
  return Buffer.concat(chunks);
}

export interface Decoded extends DecodedLTX {
  readonly content: Map<number, Buffer>;
}

/** Decodes a file handed over in pieces of at most `piece` bytes. */
export function decode(file: Uint8Array, options: LTXDecoderOptions & { readonly piece?: number } = {}): Decoded {
  const content = new Map<number, Buffer>();
  using decoder = new LTXDecoder(({ count, pgnos, pages }) => {
    const size = pages.length / count;
    for (let i = 0; i < count; i++) content.set(pgnos[i] ?? 0, Buffer.from(pages.subarray(i * size, (i + 1) * size)));
  }, options);
  const piece = options.piece ?? file.length;
  for (let at = 0; at < file.length; at += piece) decoder.push(file.subarray(at, at + piece));
  return { ...decoder.end(), content };
}

/** A page of one byte value. */
export const constantPage = (byte: number, size = 512): Buffer => Buffer.alloc(size, byte);

/** Pages that only `actual` has, and pages of `expected` that it lacks or has otherwise. Much quicker than comparing the maps. */
export function comparePages(actual: ReadonlyMap<number, Buffer>, expected: ReadonlyMap<number, Buffer>) {
  const different = [...expected].filter(([pgno, page]) => actual.get(pgno)?.equals(page) !== true).map(([pgno]) => pgno);
  return { extra: [...actual.keys()].filter((pgno) => !expected.has(pgno)), different };
}

/** What comparePages says about equal ones. */
export const SAME_PAGES = { extra: [], different: [] };
