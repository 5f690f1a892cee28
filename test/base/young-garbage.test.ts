import { expect, test } from 'vitest';
import { collectYoung } from '../../src/base/young-garbage.ts';

const MIB = 2 ** 20;

/** Fewer than what V8 collects by itself for. */
function letGo(): void {
  for (let i = 0; i < 256; i++) new Uint8Array(64 * 1024).fill(i);
}

test('buffers that were let go of are freed', async () => {
  collectYoung();
  const before = process.memoryUsage().arrayBuffers;
  letGo();
  expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThan(8 * MIB);
  collectYoung();
  await expect.poll(() => process.memoryUsage().arrayBuffers - before, { timeout: 10_000, interval: 5 }).toBeLessThan(4 * MIB);
});
