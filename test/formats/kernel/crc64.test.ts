import { expect, test } from 'vitest';
import { Kernel } from '../../../src/formats/kernel/kernel.ts';
import { CRC64_TABLE, crc64, pageChecksum } from '../../../src/formats/kernel/oracle/crc64.ts';
import { anyContent, between, noise, randomFrom } from './contents.ts';

const kernel = Kernel.create();
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const hex = (value: bigint): string => value.toString(16).padStart(16, '0');

const VECTORS: readonly [Uint8Array, string][] = [
  [text(''), '0000000000000000'],
  [text('a'), '3420000000000000'],
  [text('abc'), '3776c42000000000'],
  [text('123456789'), 'b90956c775a41001'],
  [text('hello world'), 'b9cf3f572ad9ac3e'],
  [new Uint8Array(8), 'acffffffffffffff'],
  [text('The quick brown fox jumps over the lazy dog'), '4ef14e19f4c6e28e'],
];

test.each(VECTORS)('the published sum of %s is computed by kernel and oracle', (bytes, sum) => {
  expect(hex(kernel.crc64Bytes(0n, bytes))).toBe(sum);
  expect(hex(crc64(0n, bytes))).toBe(sum);
});

test('table entries are the published ones', () => {
  const some = [1, 2, 128, 255].map((index) => hex(CRC64_TABLE[index] ?? 0n));
  expect(some).toEqual(['01b0000000000000', '0360000000000000', 'd800000000000000', '9090000000000000']);
});

test('every length from 0 to 1,200, where table and fold meet, equals the oracle', () => {
  const bytes = noise(randomFrom(1), 1200);
  const ptr = kernel.allocate(bytes.length);
  kernel.view(ptr, bytes.length).set(bytes);
  for (let length = 0; length <= bytes.length; length++) {
    expect(kernel.crc64(0n, ptr, length), `length ${length}`).toBe(crc64(0n, bytes.subarray(0, length)));
  }
  kernel.free(ptr);
});

test('random lengths at random offsets, carried on from random sums, equal the oracle', () => {
  const seed = 20260501;
  const random = randomFrom(seed);
  const area = 70_000;
  const ptr = kernel.allocate(area);
  for (let round = 0; round < 400; round++) {
    const length = round % 40 === 0 ? between(random, 0, 65_536) : between(random, 0, 3000);
    const offset = between(random, 0, area - length);
    const bytes = anyContent(random, length);
    const start = BigInt.asUintN(64, (BigInt(between(random, 0, 2 ** 32 - 1)) << 32n) | BigInt(between(random, 0, 2 ** 32 - 1)));
    kernel.view(ptr + offset, length).set(bytes);
    expect(kernel.crc64(start, ptr + offset, length), `seed ${seed}, round ${round}`).toBe(crc64(start, bytes));
  }
  kernel.free(ptr);
});

test('a sum carried over pieces is the sum of the whole', () => {
  const random = randomFrom(3);
  const bytes = noise(random, 200_000);
  const whole = kernel.crc64Bytes(0n, bytes);
  for (let round = 0; round < 50; round++) {
    let sum = 0n;
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + between(random, 1, 90_000));
      sum = kernel.crc64Bytes(sum, bytes.subarray(at, end));
      at = end;
    }
    expect(sum).toBe(whole);
  }
});

const PAGE_SUMS: readonly [number, number, string][] = [
  [4096, 1, 'd9328f592d9e733d'],
  [4096, 2, 'f7901e47304ca33f'],
  [4096, 3, '820e6eb2c4fd133e'],
  [4096, 262144, '98a9e9d51af811fa'],
  [4096, 262146, 'c395083ef39b71f9'],
  [512, 1, 'efb1f44fecd99000'],
  [65536, 1, 'd5c47f5c6d11f7f2'],
];

test.each(PAGE_SUMS)('the checksum of a zero page of %i bytes with number %i is the published one', (size, pgno, sum) => {
  const ptr = kernel.allocate(size);
  kernel.view(ptr, size).fill(0);
  expect(hex(kernel.pageChecksum(pgno, ptr, size))).toBe(sum);
  expect(hex(pageChecksum(pgno, new Uint8Array(size)))).toBe(sum);
  kernel.free(ptr);
});

test('page checksums of other contents are the published ones', () => {
  const page = Uint8Array.from({ length: 512 }, (_, at) => at % 256);
  const ptr = kernel.allocate(512);
  kernel.view(ptr, 512).set(page);
  expect(hex(kernel.pageChecksum(1, ptr, 512))).toBe('c6f13286cb62cc9f');
  expect(hex(kernel.pageChecksum(2, ptr, 512))).toBe('c6232e56cb62cc9f');
  expect(hex(kernel.pageChecksum(0xffff_ffff, ptr, 512))).toBe(hex(pageChecksum(0xffff_ffff, page)));
  kernel.free(ptr);
});
