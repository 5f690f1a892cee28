import { expect, test } from 'vitest';
import { Kernel } from '../../../src/formats/kernel/kernel.ts';
import { compressBlock, decompressBlock, storeBlock } from '../../../src/formats/kernel/oracle/lz4-block.ts';
import { between, noise, periodic, randomFrom } from './contents.ts';
import { compress, inflate, same, sequence } from './guarded-kernel.ts';

/** How far before the end of the page a match ends. */
const TAILS = [0, 1, 13, 14, 15, 16, 17, 31, 32, 33];
const OFFSETS = Array.from({ length: 40 }, (_, index) => index + 1);
const FAR_OFFSETS = [47, 48, 49, 63, 64, 65, 96, 100, 127, 128, 129, 200];

/** A block of literals, one match at `offset` and `tail` literals. */
function blockOf(literals: Uint8Array, offset: number, match: number, tail: Uint8Array): Uint8Array {
  return Uint8Array.from([...sequence(literals, offset, match), ...storeBlock(tail)]);
}

function inflated(block: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  expect(decompressBlock(block, bytes)).toBe(size);
  return bytes;
}

test.each(TAILS)('a match of any length and offset that ends %i bytes before the end is copied exactly', (tail) => {
  const seed = 900 + tail;
  const random = randomFrom(seed);
  for (const offset of [...OFFSETS, ...FAR_OFFSETS]) {
    const lengths = [offset, offset * 2, offset * 3, offset * 4 + 16, 190, 191, 192, 193, 205, 206, 207, 208, 271, 272, 273, 274, 275];
    for (let match = 4; match <= 70; match++) lengths.push(match);
    for (const match of lengths.filter((length) => length >= 4)) {
      const literals = noise(random, offset + between(random, 0, 20));
      const block = blockOf(literals, offset, match, noise(random, tail));
      const expected = inflated(block, literals.length + match + tail);
      const got = inflate(block, expected.length, random);
      expect(same(got, expected), `seed ${seed}, offset ${offset}, match ${match}, tail ${tail}`).toBe(true);
    }
  }
});

test.each([512, 4096, 65536])('a page of %i bytes that is one match is inflated exactly, wherever the match ends', (size) => {
  const random = randomFrom(size);
  const offsets = size > 4096 ? [1, 7, 16, 17, 31, 40, 127] : [...OFFSETS, ...FAR_OFFSETS];
  for (const offset of offsets) {
    for (const tail of TAILS) {
      const block = blockOf(noise(random, offset), offset, size - offset - tail, noise(random, tail));
      expect(same(inflate(block, size, random), inflated(block, size)), `offset ${offset}, tail ${tail}`).toBe(true);
    }
  }
});

test('a match up to the very end of the memory is inflated without a stray access', () => {
  const random = randomFrom(81);
  const own = Kernel.create();
  const source = own.allocate(1024);
  for (const offset of [...OFFSETS, ...FAR_OFFSETS]) {
    for (const tail of TAILS) {
      for (const match of [4, 5, 7, 8, 11, 12, 13, 15, 16, 17, 24, 31, 32, 33, 100, 191, 192, 193, 300, 512]) {
        const block = blockOf(noise(random, offset), offset, match, noise(random, tail));
        const expected = inflated(block, offset + match + tail);
        const target = own.memoryBytes - expected.length;
        own.view(source, block.length).set(block);
        own.view(target, expected.length).fill(0xa5);
        expect(own.lz4Decompress(source, block.length, target, expected.length)).toBe(expected.length);
        const got = own.view(target, expected.length);
        expect(same(got, expected), `offset ${offset}, match ${match}, tail ${tail}`).toBe(true);
      }
    }
  }
});

test('a match that would end 1 to 40 bytes behind the page is refused and nothing behind the page is written', () => {
  const random = randomFrom(82);
  for (const offset of OFFSETS) {
    for (const room of [4, 15, 16, 17, 64, 191, 192, 500]) {
      const literals = noise(random, offset);
      for (let over = 1; over <= 40; over++) {
        const block = blockOf(literals, offset, room + over, new Uint8Array(0));
        expect(inflate(block, offset + room, random), `offset ${offset}, room ${room}, over ${over}`).toBeUndefined();
      }
    }
  }
});

test('an offset that reaches before the page is refused, however long the match', () => {
  const random = randomFrom(83);
  for (const offset of OFFSETS) {
    for (const match of [4, 16, 64, 192, 400]) {
      for (const tail of TAILS) {
        const block = blockOf(noise(random, offset - 1), offset, match, noise(random, tail));
        expect(inflate(block, offset - 1 + match + tail, random), `offset ${offset}, match ${match}`).toBeUndefined();
      }
    }
  }
});

test('a page of one pattern becomes the pattern, one match and the last literals', () => {
  const random = randomFrom(84);
  for (const size of [512, 4096]) {
    for (const period of [...OFFSETS, ...FAR_OFFSETS]) {
      const page = periodic(random, size, period);
      const block = compress(page);
      // Token, lengths, offset; the last literals with theirs.
      expect(block.length, `size ${size}, period ${period}`).toBeLessThanOrEqual(period + 4 + size / 255 + 2 + 16);
      expect(same(inflate(block, size, random), page)).toBe(true);
    }
  }
});

test('a match is as long as the equal bytes are, wherever the first different one stands', () => {
  const random = randomFrom(85);
  // Short enough for the compressor to look at every position.
  const half = noise(random, 60);
  for (let at = 5; at < 56; at++) {
    const page = Uint8Array.from([...half, ...half, ...noise(random, 20)]);
    page[60 + at] = (page[60 + at] ?? 0) ^ (1 << between(random, 0, 7));
    // Literals up to the copy, its match up to the different byte; greedy, so that the oracle finds the same.
    const block = compress(page);
    const first = lengthsOf(block);
    expect(first, `different byte ${at}`).toEqual({ literals: 60, match: at });
    expect(lengthsOf(compressBlock(page))).toEqual(first);
    expect(same(inflate(block, page.length, random), page)).toBe(true);
  }
});

/** Lengths of a block's first sequence. */
function lengthsOf(block: Uint8Array): { literals: number; match: number } {
  let ip = 1;
  const lengthOf = (nibble: number): number => {
    if (nibble < 15) return nibble;
    let sum = 15;
    for (let byte = 255; byte === 255; sum += byte) byte = block[ip++] ?? 0;
    return sum;
  };
  const literals = lengthOf((block[0] ?? 0) >> 4);
  ip += literals + 2;
  return { literals, match: lengthOf((block[0] ?? 0) & 15) + 4 };
}
