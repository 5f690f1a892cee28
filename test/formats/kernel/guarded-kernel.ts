/** LZ4 blocks in the kernel, between guard bytes that tell of any write outside the promised room. */

import { expect } from 'vitest';
import { blockBound, Kernel, OUTPUT_SLACK } from '../../../src/formats/kernel/kernel.ts';
import { storeBlock } from '../../../src/formats/kernel/oracle/lz4-block.ts';
import { between, type Random } from './contents.ts';

const GUARD = 0xa5;
const MARGIN = 64;
export const kernel = Kernel.create();

/** Compresses in the kernel and checks that nothing outside the promised room was written. */
export function compress(bytes: Uint8Array): Uint8Array {
  const room = blockBound(bytes.length) + OUTPUT_SLACK;
  const source = kernel.allocate(bytes.length);
  const area = kernel.allocate(MARGIN + room + MARGIN);
  kernel.view(source, bytes.length).set(bytes);
  kernel.view(area, MARGIN + room + MARGIN).fill(GUARD);
  const length = kernel.lz4Compress(source, bytes.length, area + MARGIN);
  expect(kernel.view(area, MARGIN).every((byte) => byte === GUARD)).toBe(true);
  expect(kernel.view(area + MARGIN + room, MARGIN).every((byte) => byte === GUARD)).toBe(true);
  const block = kernel.view(area + MARGIN, length).slice();
  kernel.free(source);
  kernel.free(area);
  return block;
}

/**
 * Inflates in the kernel, source and target of odd alignment, the target between guards;
 * undefined when the block is refused.
 */
export function inflate(block: Uint8Array, size: number, random: Random): Uint8Array | undefined {
  const shift = between(random, 0, 15);
  const ptr = kernel.allocate(shift + block.length);
  const area = kernel.allocate(MARGIN + shift + size + MARGIN);
  kernel.view(ptr + shift, block.length).set(block);
  kernel.view(area, MARGIN + shift + size + MARGIN).fill(GUARD);
  const target = area + MARGIN + shift;
  const result = kernel.lz4Decompress(ptr + shift, block.length, target, size);
  expect(result === size || result === -1).toBe(true);
  expect(kernel.view(area, MARGIN + shift).every((byte) => byte === GUARD)).toBe(true);
  expect(kernel.view(target + size, MARGIN).every((byte) => byte === GUARD)).toBe(true);
  expect(Buffer.compare(kernel.view(ptr + shift, block.length), block)).toBe(0);
  const bytes = result === -1 ? undefined : kernel.view(target, size).slice();
  kernel.free(ptr);
  kernel.free(area);
  return bytes;
}

export const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0;

/** One sequence: literals, then a match. */
export function sequence(literals: Uint8Array, offset: number, match: number): number[] {
  const stored = [...storeBlock(literals)];
  const token = (stored.shift() ?? 0) | Math.min(match - 4, 15);
  const beyond: number[] = [];
  if (match >= 19) {
    let rest = match - 19;
    for (; rest >= 255; rest -= 255) beyond.push(255);
    beyond.push(rest);
  }
  return [token, ...stored, offset & 255, offset >> 8, ...beyond];
}
