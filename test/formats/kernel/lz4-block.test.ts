import { expect, test } from 'vitest';
import { blockBound, Kernel } from '../../../src/formats/kernel/kernel.ts';
import { compressBlock, decompressBlock, storeBlock } from '../../../src/formats/kernel/oracle/lz4-block.ts';
import { anyContent, between, mixture, noise, type Random, randomFrom } from './contents.ts';
import { compress, inflate, kernel, same, sequence } from './guarded-kernel.ts';

/** Holds a block against the end rules of the format (docs/formats/ltx.md, Page frames). */
function expectEndRules(block: Uint8Array, size: number): void {
  let ip = 0;
  let op = 0;
  let lastMatch = -1;
  const lengthOf = (nibble: number): number => {
    if (nibble < 15) return nibble;
    let sum = 15;
    for (let byte = 255; byte === 255; sum += byte) byte = block[ip++] ?? 0;
    return sum;
  };
  while (true) {
    const token = block[ip++] ?? 0;
    const literals = lengthOf(token >> 4);
    ip += literals;
    op += literals;
    if (ip >= block.length) {
      expect([ip, op, token & 15]).toEqual([block.length, size, 0]);
      if (lastMatch >= 0) {
        expect(literals).toBeGreaterThanOrEqual(5);
        expect(lastMatch).toBeLessThanOrEqual(size - 12);
      }
      return;
    }
    ip += 2;
    lastMatch = op;
    op += lengthOf(token & 15) + 4;
  }
}

const PAGE_SIZES = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

test.each(PAGE_SIZES)('pages of %i bytes of any content survive every pairing of kernel and oracle', (size) => {
  const seed = 4000 + size;
  const random = randomFrom(seed);
  const rounds = Math.max(12, Math.floor(400_000 / size));
  for (let round = 0; round < Math.min(rounds, 300); round++) {
    const page = anyContent(random, size);
    const ours = compress(page);
    const where = `seed ${seed}, round ${round}`;
    expectEndRules(ours, size);
    const out = new Uint8Array(size);
    expect(decompressBlock(ours, out), where).toBe(size);
    expect(same(out, page), where).toBe(true);
    for (const block of [ours, compressBlock(page), storeBlock(page)]) expect(same(inflate(block, size, random), page), where).toBe(true);
  }
});

test('inputs of every length from 1 to 700 survive', () => {
  const random = randomFrom(11);
  for (let length = 1; length <= 700; length++) {
    const bytes = length % 3 === 0 ? new Uint8Array(length) : mixture(random, length);
    const block = compress(bytes);
    expectEndRules(block, length);
    expect(same(inflate(block, length, random), bytes), `length ${length}`).toBe(true);
  }
});

test('matches of every offset from 1 to 40 and every length survive, near the end and far from it', () => {
  const random = randomFrom(12);
  for (let offset = 1; offset <= 40; offset++) {
    for (const match of [4, 5, 11, 15, 16, 17, 18, 19, 20, 33, 64, 273, 274, 300]) {
      for (const tail of [0, 1, 5, 16, 31, 32, 40, 100]) {
        const head = noise(random, offset);
        const rest = noise(random, tail);
        const block = Uint8Array.from([...sequence(head, offset, match), ...storeBlock(rest)]);
        const expected = new Uint8Array(offset + match + tail);
        expect(decompressBlock(block, expected)).toBe(expected.length);
        expect(same(inflate(block, expected.length, random), expected), `offset ${offset}, match ${match}, tail ${tail}`).toBe(true);
      }
    }
  }
});

test('incompressible pages become one literal run: 512 bytes become 515, 4,096 become 4,114, and that size is accepted back', () => {
  const random = randomFrom(13);
  for (const [size, stored] of [
    [512, 515],
    [4096, 4114],
  ] as const) {
    const page = Uint8Array.from({ length: size }, (_, at) => (at * 167 + (at >> 8) * 31) & 255).map(
      (byte) => byte ^ between(random, 0, 255),
    );
    expect(storeBlock(page)).toHaveLength(stored);
    expect(compress(page).length).toBeLessThanOrEqual(stored);
    expect(same(inflate(storeBlock(page), size, random), page)).toBe(true);
  }
  const distinct = Uint8Array.from({ length: 256 }, (_, at) => at);
  expect(compress(distinct)).toEqual(storeBlock(distinct));
  for (const size of PAGE_SIZES) expect(compress(noise(random, size)).length).toBeLessThanOrEqual(blockBound(size));
});

test('a zero page of 64 KiB becomes under 300 bytes', () => {
  expect(compress(new Uint8Array(65536)).length).toBeLessThan(300);
});

test('mutated, cut and lengthened blocks are refused, or inflate to what the oracle says, and never write outside', () => {
  const seed = 77;
  const random = randomFrom(seed);
  let refused = 0;
  for (let round = 0; round < 6000; round++) {
    const size = PAGE_SIZES[between(random, 0, round % 50 === 0 ? 7 : 2)] ?? 512;
    const page = anyContent(random, size);
    const block = damage(round % 2 === 0 ? compress(page) : compressBlock(page), random);
    const expected = new Uint8Array(size);
    const sound = decompressBlock(block, expected) === size;
    const got = inflate(block, size, random);
    expect(got !== undefined, `seed ${seed}, round ${round}`).toBe(sound);
    if (sound) expect(same(got, expected), `seed ${seed}, round ${round}`).toBe(true);
    else refused++;
  }
  expect(refused).toBeGreaterThan(1000);
});

function damage(block: Uint8Array, random: Random): Uint8Array {
  const kind = between(random, 0, 3);
  if (kind === 0) return block.slice(0, between(random, 0, block.length - 1));
  if (kind === 1) return Uint8Array.from([...block, ...noise(random, between(random, 1, 40))]);
  const copy = block.slice();
  for (let count = between(random, 1, 4); count > 0; count--)
    copy[between(random, 0, Math.min(copy.length - 1, 60))] = between(random, 0, 255);
  if (kind === 2) copy[between(random, 0, copy.length - 1)] = 255;
  return copy;
}

test('noise is never inflated outside its target', () => {
  const random = randomFrom(78);
  for (let round = 0; round < 4000; round++) {
    const block = anyContent(random, between(random, 0, 300));
    const size = between(random, 0, 600);
    const expected = new Uint8Array(size);
    const sound = decompressBlock(block, expected) === size;
    expect(inflate(block, size, random) !== undefined).toBe(sound);
  }
});

const MALFORMED: readonly [string, number[], number][] = [
  ['nothing at all', [], 16],
  ['offset 0', [0x10, 1, 0, 0, 0x50, 1, 2, 3, 4, 5], 10],
  ['an offset before the beginning', [0x10, 1, 2, 0, 0x50, 1, 2, 3, 4, 5], 10],
  ['more literals than the input holds', [0xf0, 255, 255, 255, 255, 10, 1, 2], 64],
  ['a literal length that never ends', [0xf0, ...new Array(5000).fill(255)], 512],
  ['a match length that never ends', [0x1f, 7, 1, 0, ...new Array(5000).fill(255)], 512],
  ['a match over the end of the output', [0x1f, 7, 1, 0, 200, 0x50, 1, 2, 3, 4, 5], 64],
  ['an offset cut in half', [0x10, 1, 1], 16],
  ['an end behind a match', [0x1b, 7, 1, 0], 16],
  ['too short a result', [0x50, 1, 2, 3, 4, 5], 6],
  ['too long a result', [0x50, 1, 2, 3, 4, 5], 4],
  ['bytes behind the end', [0x40, 1, 2, 3, 4, 0x10, 0], 4],
];

test.each(MALFORMED)('a block with %s is refused', (_, bytes, size) => {
  expect(inflate(Uint8Array.from(bytes), size, randomFrom(1))).toBeUndefined();
});

test('blocks and targets at the very end of the memory are inflated without a stray access', () => {
  const random = randomFrom(79);
  const own = Kernel.create();
  for (const size of [512, 4096]) {
    for (let round = 0; round < 200; round++) {
      const page = anyContent(random, size);
      const block = compressBlock(page);
      const inside = own.allocate(65536);
      const atEnd = own.memoryBytes - (round % 2 === 0 ? block.length : size);
      const [source, target] = round % 2 === 0 ? [atEnd, inside] : [inside, atEnd];
      own.view(source, block.length).set(block);
      expect(own.lz4Decompress(source, block.length, target, size)).toBe(size);
      expect(same(own.view(target, size), page)).toBe(true);
      own.free(inside);
    }
  }
});

test('damaged blocks at the very end of the memory are refused without a stray access', () => {
  const random = randomFrom(80);
  const own = Kernel.create();
  const target = own.allocate(512);
  const blocks: Uint8Array[] = MALFORMED.map(([, bytes]) => Uint8Array.from(bytes));
  for (let round = 0; round < 2000; round++) blocks.push(damage(compressBlock(anyContent(random, 512)), random));
  for (const block of blocks) {
    const source = own.memoryBytes - block.length;
    own.view(source, block.length).set(block);
    const expected = new Uint8Array(512);
    expect(own.lz4Decompress(source, block.length, target, 512)).toBe(decompressBlock(block, expected) === 512 ? 512 : -1);
  }
});

test('a length whose bytes add up to more than 32 bits does not wrap round to a small one', () => {
  // 15 + 16,843,008 times 255 + 246 is 2^32 + 5: taken as 5, the five literals behind would look sound.
  const full = 16_843_008;
  const source = kernel.allocate(full + 7);
  const target = kernel.allocate(64);
  const bytes = kernel.view(source, full + 7).fill(255);
  bytes[0] = 0xf0;
  bytes[full + 1] = 246;
  expect(kernel.lz4Decompress(source, full + 7, target, 5)).toBe(-1);
  kernel.free(source);
  kernel.free(target);
});
