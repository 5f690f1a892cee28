import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Kernel } from '../../../src/formats/kernel/kernel.ts';
import { LinearHeap } from '../../../src/formats/kernel/linear-heap.ts';
import { between, randomFrom } from './contents.ts';

const INTERNAL = expect.objectContaining({ code: 'INTERNAL' });

test('the committed kernel.wasm is what its source compiles to', () => {
  const tool = fileURLToPath(new URL('../../../tools/build-kernel.ts', import.meta.url));
  expect(execFileSync(process.execPath, [tool, '--check'], { encoding: 'utf8' })).toMatch(/is current/);
});

test('growth keeps contents and detaches the views made before', () => {
  const kernel = Kernel.create();
  const ptr = kernel.allocate(100);
  const view = kernel.view(ptr, 100);
  view.fill(7);
  kernel.allocate(kernel.memoryBytes + 1);
  expect(view.length).toBe(0);
  expect(kernel.view(ptr, 100).every((byte) => byte === 7)).toBe(true);
});

test('a released region is used again, so that memory does not grow with the number of files', () => {
  const kernel = Kernel.create();
  for (let round = 0; round < 3; round++) kernel.release(kernel.allocateEncode(4096, 64));
  const bytes = kernel.memoryBytes;
  for (let round = 0; round < 100; round++) {
    const encode = kernel.allocateEncode(4096, 30);
    const decode = kernel.allocateDecode(4096, 20, 65536);
    kernel.release(encode);
    kernel.release(decode);
  }
  expect(kernel.memoryBytes).toBe(bytes);
  expect(kernel.allocatedBytes).toBe(0);
});

test('kernels have memories of their own', () => {
  const [one, two] = [Kernel.create(), Kernel.create()];
  const at = one.allocate(16);
  expect(two.allocate(16)).toBe(at);
  one.view(at, 16).fill(1);
  expect(two.view(at, 16).every((byte) => byte === 0)).toBe(true);
});

test('ranges outside the memory are refused before anything is touched', () => {
  const kernel = Kernel.create();
  const end = kernel.memoryBytes;
  expect(() => kernel.view(end - 1, 2)).toThrowError(INTERNAL);
  expect(() => kernel.view(-1, 2)).toThrowError(INTERNAL);
  expect(() => kernel.words(end - 4, 2)).toThrowError(INTERNAL);
  expect(() => kernel.crc64(0n, end, 1)).toThrowError(INTERNAL);
  expect(() => kernel.crc64(0n, 0, Number.NaN)).toThrowError(INTERNAL);
  expect(() => kernel.lz4Compress(end - 512, 512, 0)).toThrowError(INTERNAL);
  expect(() => kernel.lz4Compress(0, 65537, 0)).toThrowError(INTERNAL);
  expect(() => kernel.lz4Decompress(0, 10, end - 511, 512)).toThrowError(INTERNAL);
});

test('impossible regions and batches are refused', () => {
  const kernel = Kernel.create();
  for (const pageSize of [0, 256, 1000, 131072]) expect(() => kernel.allocateEncode(pageSize, 1)).toThrowError(INTERNAL);
  expect(() => kernel.allocateEncode(4096, 0)).toThrowError(INTERNAL);
  expect(() => kernel.allocateDecode(4096, 1, 4000)).toThrowError(INTERNAL);
  const encode = kernel.allocateEncode(512, 2);
  const decode = kernel.allocateDecode(512, 2, 1024);
  expect(() => kernel.encodeBatch(encode, 3)).toThrowError(INTERNAL);
  expect(() => kernel.decodeBatch(decode, 0, 1025)).toThrowError(INTERNAL);
  expect(() => kernel.decodeBatch(decode, 5, 4)).toThrowError(INTERNAL);
  kernel.release(encode);
  expect(() => kernel.release(encode)).toThrowError(INTERNAL);
  expect(() => kernel.allocate(-1)).toThrowError(INTERNAL);
  expect(() => kernel.allocate(2 ** 33)).toThrowError(INTERNAL);
});

test('ranges of the heap never overlap, are aligned, and all come back', () => {
  const seed = 515;
  const random = randomFrom(seed);
  let end = 0;
  const heap = new LinearHeap(1003, (needed) => {
    end = Math.max(end, needed);
  });
  const held: { start: number; size: number }[] = [];
  for (let round = 0; round < 3000; round++) {
    if (held.length > 0 && random() < 0.48) {
      const [range] = held.splice(between(random, 0, held.length - 1), 1);
      expect(heap.free(range?.start ?? -1)).toBe(true);
      continue;
    }
    const size = between(random, 0, 5000);
    const start = heap.allocate(size);
    expect(start % 16).toBe(0);
    expect(start).toBeGreaterThanOrEqual(1003);
    expect(start + size).toBeLessThanOrEqual(end);
    for (const other of held)
      expect(start >= other.start + other.size || other.start >= start + size, `seed ${seed}, round ${round}`).toBe(true);
    held.push({ start, size });
  }
  for (const { start } of held) heap.free(start);
  expect(heap.used).toBe(0);
  const top = end;
  heap.allocate(top - 1003 - 64);
  expect(end).toBe(top);
  expect(heap.free(12345)).toBe(false);
});
