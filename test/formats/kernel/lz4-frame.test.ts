import { expect, test } from 'vitest';
import { hasCode } from '../../../src/base/errors.ts';
import { decodeLz4Frame, encodeLz4Frame, LZ4_FRAME_OVERHEAD, parseLz4Descriptor } from '../../../src/formats/kernel/lz4-frame.ts';
import { compressBlock, storeBlock } from '../../../src/formats/kernel/oracle/lz4-block.ts';
import { anyContent, between, noise, randomFrom } from './contents.ts';
import { FRAME_SAMPLES } from './lz4-frame-samples.ts';

const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

/** The first page of vector V2 (docs/formats/ltx.md, Vectors): 512 bytes of aa. */
const V2 = fromHex('04224d186440a7180000001faa0100ffddf001aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa000000007a252388');
const V2_PAGE = new Uint8Array(512).fill(0xaa);

test('the published frame is decoded, and made again byte for byte from its block', () => {
  const page = new Uint8Array(512);
  expect(decodeLz4Frame(V2, page)).toEqual({ status: 'done', consumed: V2.length, produced: 512 });
  expect(page).toEqual(V2_PAGE);
  expect(Buffer.compare(encodeLz4Frame(V2_PAGE, V2.subarray(11, 35)), V2)).toBe(0);
});

test.each(FRAME_SAMPLES)('a frame with $title made by another program is decoded', ({ content, frame }) => {
  const output = new Uint8Array(content.length);
  expect(decodeLz4Frame(frame, output)).toEqual({ status: 'done', consumed: frame.length, produced: content.length });
  expect(Buffer.compare(output, content)).toBe(0);
});

test.each(FRAME_SAMPLES)('decoding $title stops at the frame end, even before another frame', ({ content, frame }) => {
  const output = new Uint8Array(content.length + 100);
  const result = decodeLz4Frame(Buffer.concat([frame, frame]), output);
  expect(result).toEqual({ status: 'done', consumed: frame.length, produced: content.length });
});

test.each(FRAME_SAMPLES)('$title cut at any byte is incomplete, never an error', ({ content, frame }) => {
  const output = new Uint8Array(content.length);
  for (let cut = 0; cut < frame.length; cut++) expect(decodeLz4Frame(frame.subarray(0, cut), output).status).toBe('incomplete');
});

test('content longer than the output is refused', () => {
  expect(() => decodeLz4Frame(V2, new Uint8Array(511))).toThrow(/longer than 511 bytes/);
  const stored = encodeLz4Frame(noise(randomFrom(1), 512), new Uint8Array(600));
  expect(() => decodeLz4Frame(stored, new Uint8Array(511))).toThrow(/longer than 511 bytes/);
});

test('a flip of any bit of a frame is noticed or leaves the content as it was', () => {
  const random = randomFrom(2);
  const page = anyContent(random, 512);
  const samples = [V2, encodeLz4Frame(page, compressBlock(page)), FRAME_SAMPLES[4]?.frame ?? V2];
  for (const frame of samples) {
    const right = new Uint8Array(512);
    decodeLz4Frame(frame, right);
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const damaged = frame.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const output = new Uint8Array(512);
      try {
        if (decodeLz4Frame(damaged, output).status === 'done') expect(output).toEqual(right);
      } catch (error) {
        expect(hasCode(error, 'LTX_INVALID') || hasCode(error, 'LTX_CHECKSUM_MISMATCH'), String(error)).toBe(true);
      }
    }
  }
});

test('a wrong content checksum is a checksum mismatch', () => {
  const damaged = Uint8Array.from(V2);
  damaged[damaged.length - 1] = 0;
  expect(() => decodeLz4Frame(damaged, new Uint8Array(512))).toThrowError(expect.objectContaining({ code: 'LTX_CHECKSUM_MISMATCH' }));
});

test('a content size that differs from the content is refused', () => {
  const frame = Uint8Array.from(FRAME_SAMPLES[2]?.frame ?? []);
  const output = new Uint8Array(150_000);
  expect(parseLz4Descriptor(frame)).toMatchObject({ length: 15, independent: false, blockChecksums: true, contentSize: 150_000n });
  frame[6] = (frame[6] ?? 0) ^ 1;
  expect(() => decodeLz4Frame(frame, output)).toThrow(/header checksum/);
});

test.each([
  ['4 bytes of other magic', '04224d19'],
  ['version 2', '04224d18a440a7'],
  ['a dictionary', '04224d186540a7'],
  ['a reserved flag', '04224d186640a7'],
  ['block size 3', '04224d186430a7'],
  ['a reserved bit beside the block size', '04224d186441a7'],
  ['a block over its size', '04224d186440a701000180'],
])('a frame with %s is refused', (_, bytes) => {
  expect(() => decodeLz4Frame(fromHex(bytes), new Uint8Array(512))).toThrowError(expect.objectContaining({ code: 'LTX_INVALID' }));
});

test.each(['6440a7', '645008', '646085', '6470b9'])('descriptor %s has the right checksum', (bytes) => {
  expect(parseLz4Descriptor(fromHex(`04224d18${bytes}`))).toMatchObject({ length: 7, contentChecksum: true, independent: true });
});

test('pages of any content and size survive', () => {
  const random = randomFrom(3);
  for (let round = 0; round < 200; round++) {
    const page = anyContent(random, 512 << between(random, 0, 7));
    const block = round % 2 === 0 ? compressBlock(page) : storeBlock(page);
    const frame = encodeLz4Frame(page, block);
    const output = new Uint8Array(page.length);
    expect(frame.length).toBeLessThanOrEqual(page.length + LZ4_FRAME_OVERHEAD);
    expect(decodeLz4Frame(frame, output)).toEqual({ status: 'done', consumed: frame.length, produced: page.length });
    expect(Buffer.compare(output, page)).toBe(0);
  }
});
