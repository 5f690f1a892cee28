import { expect, test } from 'vitest';
import { blockBound, type DecodeRegion, type DecodeStop, FRAME_HEADER_SIZE, Kernel } from '../../../src/formats/kernel/kernel.ts';
import { decodeLz4Frame, encodeLz4Frame } from '../../../src/formats/kernel/lz4-frame.ts';
import { crc64 } from '../../../src/formats/kernel/oracle/crc64.ts';
import { compressBlock, decompressBlock, storeBlock } from '../../../src/formats/kernel/oracle/lz4-block.ts';
import { anyContent, between, noise, randomFrom } from './contents.ts';

const kernel = Kernel.create();

interface Frames {
  readonly bytes: Uint8Array;
  readonly lengths: readonly number[];
  readonly crc: bigint;
}

/** The page frames of `pages`, numbered from `first`, made by the oracles. */
function framesOf(pages: readonly Uint8Array[], first: number, start: bigint, pack = compressBlock): Frames {
  const parts: Uint8Array[] = [];
  let crc = start;
  pages.forEach((page, index) => {
    const block = pack(page);
    const frame = new Uint8Array(FRAME_HEADER_SIZE + block.length);
    const view = new DataView(frame.buffer);
    view.setUint32(0, first + index);
    view.setUint16(4, 1);
    view.setUint32(6, block.length);
    frame.set(block, FRAME_HEADER_SIZE);
    crc = crc64(crc64(crc, frame.subarray(0, FRAME_HEADER_SIZE)), page);
    parts.push(frame);
  });
  return { bytes: Buffer.concat(parts), lengths: parts.map((part) => part.length), crc };
}

function load(region: DecodeRegion, bytes: Uint8Array, at = 0): void {
  kernel.view(region.input + at, bytes.length).set(bytes);
}

const END = new Uint8Array(6);

test.each([512, 4096, 65536])('frames encoded from pages of %i bytes are right in every byte, length and sum', (pageSize) => {
  const random = randomFrom(pageSize);
  const capacity = 7;
  const region = kernel.allocateEncode(pageSize, capacity);
  const after = kernel.allocate(64);
  kernel.view(after, 64).fill(0xa5);
  region.crc = 0x1234n;
  let crc = 0x1234n;
  for (const count of [7, 1, 0, 5, 7]) {
    const first = between(random, 1, 2 ** 32 - 10);
    const pages = Array.from({ length: count }, () => anyContent(random, pageSize));
    pages.forEach((page, index) => {
      kernel.view(region.pages + index * pageSize, pageSize).set(page);
      kernel.words(region.pgnos, capacity)[index] = first + index;
    });
    const bytes = kernel.view(region.output, kernel.encodeBatch(region, count));
    const lengths = kernel.words(region.frameLengths, count);
    let at = 0;
    pages.forEach((page, index) => {
      const length = lengths[index] ?? 0;
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, length);
      expect([view.getUint32(0), view.getUint16(4), view.getUint32(6)]).toEqual([first + index, 1, length - FRAME_HEADER_SIZE]);
      const out = new Uint8Array(pageSize);
      expect(decompressBlock(bytes.subarray(at + FRAME_HEADER_SIZE, at + length), out)).toBe(pageSize);
      expect(Buffer.compare(out, page)).toBe(0);
      crc = crc64(crc64(crc, bytes.subarray(at, at + FRAME_HEADER_SIZE)), page);
      at += length;
    });
    expect(at).toBe(bytes.length);
    expect(region.crc).toBe(crc);
  }
  expect(kernel.view(after, 64).every((byte) => byte === 0xa5)).toBe(true);
  kernel.free(after);
  kernel.release(region);
});

test('a full batch of incompressible pages stays inside the region', () => {
  const random = randomFrom(5);
  for (const pageSize of [512, 4096]) {
    const region = kernel.allocateEncode(pageSize, 16);
    kernel.view(region.pages, pageSize * 16).set(noise(random, pageSize * 16));
    const end = region.output + region.outputBytes;
    kernel.view(end, 16).fill(0xa5);
    expect(kernel.encodeBatch(region, 16)).toBeLessThanOrEqual(region.outputBytes);
    expect(kernel.view(end, 16).every((byte) => byte === 0xa5)).toBe(true);
    kernel.release(region);
  }
});

test.each([512, 4096, 65536])('frames of pages of %i bytes decode to pages, numbers, offsets, lengths and sum', (pageSize) => {
  const random = randomFrom(pageSize + 1);
  const region = kernel.allocateDecode(pageSize, 8, 10 * (blockBound(pageSize) + FRAME_HEADER_SIZE));
  for (const pack of [compressBlock, storeBlock]) {
    const pages = Array.from({ length: 6 }, () => anyContent(random, pageSize));
    const frames = framesOf(pages, 4_294_967_000, 99n, pack);
    region.crc = 99n;
    load(region, noise(random, 13));
    load(region, Buffer.concat([frames.bytes, END]), 13);
    expect(kernel.decodeBatch(region, 13, 13 + frames.bytes.length + 6)).toEqual({
      stop: 'end-marker',
      pages: 6,
      consumed: 13 + frames.bytes.length,
    });
    expect(region.crc).toBe(frames.crc);
    expect(Buffer.compare(kernel.view(region.pages, 6 * pageSize), Buffer.concat(pages))).toBe(0);
    expect([...kernel.words(region.pgnos, 6)]).toEqual(pages.map((_, index) => 4_294_967_000 + index));
    expect([...kernel.words(region.frameLengths, 6)]).toEqual(frames.lengths);
    expect([...kernel.words(region.frameOffsets, 6)]).toEqual(frames.lengths.map((_, i) => 13 + sum(frames.lengths.slice(0, i))));
  }
  kernel.release(region);
});

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

test('input cut at any byte decodes the complete frames and asks for more', () => {
  const random = randomFrom(6);
  const pages = Array.from({ length: 3 }, () => anyContent(random, 512));
  const frames = framesOf(pages, 1, 0n);
  const bytes = Buffer.concat([frames.bytes, END]);
  const region = kernel.allocateDecode(512, 8, bytes.length + 1024);
  load(region, bytes);
  const ends = frames.lengths.map((_, index) => sum(frames.lengths.slice(0, index + 1)));
  for (let cut = 0; cut < bytes.length; cut++) {
    region.crc = 0n;
    const complete = ends.filter((end) => end <= cut);
    expect(kernel.decodeBatch(region, 0, cut)).toEqual({ stop: 'incomplete', pages: complete.length, consumed: complete.at(-1) ?? 0 });
    expect(region.crc).toBe(framesOf(pages.slice(0, complete.length), 1, 0n).crc);
  }
  kernel.release(region);
});

test('a full region stops before the next frame and goes on from there', () => {
  const random = randomFrom(7);
  const pages = Array.from({ length: 8 }, () => anyContent(random, 1024));
  const frames = framesOf(pages, 1, 0n);
  const region = kernel.allocateDecode(1024, 3, frames.bytes.length + 1024 + 64);
  load(region, Buffer.concat([frames.bytes, END]));
  const end = frames.bytes.length + END.length;
  const got: Uint8Array[] = [];
  const stops: DecodeStop[] = [];
  for (let at = 0; stops.at(-1) !== 'end-marker' && stops.length < 10; ) {
    const result = kernel.decodeBatch(region, at, end);
    got.push(kernel.view(region.pages, result.pages * 1024).slice());
    stops.push(result.stop);
    at = result.consumed;
  }
  expect(stops).toEqual(['full', 'full', 'end-marker']);
  expect(Buffer.compare(Buffer.concat(got), Buffer.concat(pages))).toBe(0);
  expect(region.crc).toBe(frames.crc);
  kernel.release(region);
});

function headerOf(pgno: number, flags: number, size: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_SIZE + 600);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, pgno);
  view.setUint16(4, flags);
  view.setUint32(6, size);
  return bytes;
}

const STOPS: readonly [string, Uint8Array, DecodeStop][] = [
  ['an LZ4 frame', headerOf(5, 0, 0), 'frame-form'],
  ['page number 0 with a flag', headerOf(0, 1, 0), 'bad-page-number'],
  ['an unknown flag', headerOf(5, 2, 20), 'bad-flags'],
  ['one flag too many', headerOf(5, 0x8001, 20), 'bad-flags'],
  ['size 0', headerOf(5, 1, 0), 'bad-size'],
  ['a size one over the bound', headerOf(5, 1, blockBound(512) + 1), 'bad-size'],
  ['a huge size', headerOf(5, 1, 0xffff_ffff), 'bad-size'],
  ['a block that is malformed', headerOf(5, 1, 20), 'bad-block'],
];

test.each(STOPS)('%s ends the batch before it, the pages before it intact', (_, next, stop) => {
  const page = noise(randomFrom(8), 512);
  const frames = framesOf([page], 1, 0n);
  const region = kernel.allocateDecode(512, 4, 4096);
  load(region, Buffer.concat([frames.bytes, next]));
  expect(kernel.decodeBatch(region, 0, frames.bytes.length + next.length)).toEqual({ stop, pages: 1, consumed: frames.bytes.length });
  expect(region.crc).toBe(frames.crc);
  expect(Buffer.compare(kernel.view(region.pages, 512), page)).toBe(0);
  kernel.release(region);
});

test('damaged frames never write outside the pages of the region', () => {
  const seed = 909;
  const random = randomFrom(seed);
  const capacity = 6;
  const frames = framesOf(
    Array.from({ length: capacity }, () => anyContent(random, 512)),
    1,
    0n,
  );
  const region = kernel.allocateDecode(512, capacity, 8192);
  const before = kernel.allocate(64);
  const after = kernel.allocate(64);
  for (let round = 0; round < 3000; round++) {
    const bytes = Buffer.from(frames.bytes);
    for (let count = between(random, 1, 6); count > 0; count--) bytes[between(random, 0, bytes.length - 1)] = between(random, 0, 255);
    load(region, bytes);
    kernel.view(before, 64).fill(0xa5);
    kernel.view(after, 64).fill(0xa5);
    kernel.view(region.pages, 512 * capacity).fill(0x5a);
    const result = kernel.decodeBatch(region, 0, bytes.length);
    expect(Buffer.compare(kernel.view(region.input, bytes.length), bytes), `seed ${seed}, round ${round}`).toBe(0);
    expect(kernel.view(before, 64).every((byte) => byte === 0xa5)).toBe(true);
    expect(kernel.view(after, 64).every((byte) => byte === 0xa5)).toBe(true);
    // The page behind the last may hold the beginning of a refused block, those behind it nothing.
    const touched = Math.min(capacity, result.pages + 1) * 512;
    expect(kernel.view(region.pages + touched, 512 * capacity - touched).every((byte) => byte === 0x5a)).toBe(true);
  }
  kernel.release(region);
  kernel.free(before);
  kernel.free(after);
});

test('two files take turns on one kernel without mixing their sums', () => {
  const random = randomFrom(10);
  const left = kernel.allocateEncode(512, 2);
  const right = kernel.allocateEncode(512, 2);
  const sums = [0n, 0n];
  for (let round = 0; round < 6; round++) {
    for (const [index, region] of [left, right].entries()) {
      const page = noise(random, 512);
      kernel.view(region.pages, 512).set(page);
      kernel.words(region.pgnos, 1)[0] = round + 1;
      kernel.encodeBatch(region, 1);
      const header = kernel.view(region.output, FRAME_HEADER_SIZE);
      sums[index] = crc64(crc64(sums[index] ?? 0n, header), page);
    }
  }
  expect([left.crc, right.crc]).toEqual(sums);
  kernel.release(left);
  kernel.release(right);
});

/** Page frames in frame form, made by TypeScript. */
function frameForm(pages: readonly Uint8Array[], first: number): { parts: Uint8Array[]; crc: bigint } {
  let crc = 0n;
  const parts = pages.map((page, index) => {
    const header = new Uint8Array(6);
    new DataView(header.buffer).setUint32(0, first + index);
    crc = crc64(crc64(crc, header), page);
    return Buffer.concat([header, encodeLz4Frame(page, compressBlock(page))]);
  });
  return { parts, crc };
}

test.each([512, 4096, 65536])('ordinary LZ4 frames of pages of %i bytes are decoded in the batch, stored ones too', (pageSize) => {
  const random = randomFrom(pageSize + 2);
  const pages = [...Array.from({ length: 20 }, () => anyContent(random, pageSize)), noise(random, pageSize)];
  const { parts, crc } = frameForm(pages, 1);
  const bytes = Buffer.concat([...parts, END]);
  const region = kernel.allocateDecode(pageSize, 32, bytes.length + pageSize + 1024);
  load(region, bytes);
  expect(kernel.decodeBatch(region, 0, bytes.length)).toEqual({ stop: 'end-marker', pages: 21, consumed: bytes.length - 6 });
  expect(region.crc).toBe(crc);
  expect(Buffer.compare(kernel.view(region.pages, 21 * pageSize), Buffer.concat(pages))).toBe(0);
  expect([...kernel.words(region.frameLengths, 21)]).toEqual(parts.map((part) => part.length));
  expect([...kernel.words(region.frameOffsets, 21)]).toEqual(parts.map((_, i) => sum(parts.slice(0, i).map((part) => part.length))));
  kernel.release(region);
});

test('an LZ4 frame that is cut or damaged in any byte is left to the reader of all frames, or read as that one does', () => {
  const random = randomFrom(44);
  const region = kernel.allocateDecode(512, 2, 2048);
  for (const page of [anyContent(random, 512), noise(random, 512), new Uint8Array(512).fill(0xaa)]) {
    const [frame = new Uint8Array()] = frameForm([page], 7).parts;
    for (let cut = 6; cut < frame.length; cut++) {
      load(region, frame);
      expect(kernel.decodeBatch(region, 0, cut)).toEqual({ stop: 'frame-form', pages: 0, consumed: 0 });
    }
    for (let bit = 6 * 8; bit < frame.length * 8; bit++) {
      const damaged = Uint8Array.from(frame);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      load(region, damaged);
      const result = kernel.decodeBatch(region, 0, damaged.length);
      if (result.pages === 0) {
        expect(result.stop).toBe('frame-form');
        continue;
      }
      const content = new Uint8Array(512);
      const verdict = decodeLz4Frame(damaged.subarray(6), content);
      expect(verdict).toEqual({ status: 'done', consumed: result.consumed - 6, produced: 512 });
      expect(Buffer.compare(kernel.view(region.pages, 512), content)).toBe(0);
    }
  }
  kernel.release(region);
});

test('a sound frame that holds more or less than a page is left to the reader of all frames, and not written past its page', () => {
  const random = randomFrom(45);
  const region = kernel.allocateDecode(1024, 2, 4096);
  for (const content of [new Uint8Array(512), new Uint8Array(2048), noise(random, 512), noise(random, 2048)]) {
    const [frame = new Uint8Array()] = frameForm([content], 7).parts;
    load(region, frame);
    kernel.view(region.pages + 1024, 1024).fill(0x5a);
    expect(kernel.decodeBatch(region, 0, frame.length)).toEqual({ stop: 'frame-form', pages: 0, consumed: 0 });
    expect(kernel.view(region.pages + 1024, 1024).every((byte) => byte === 0x5a)).toBe(true);
  }
  kernel.release(region);
});
