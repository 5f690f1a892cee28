import { expect, test } from 'vitest';
import { collectYoung } from '../../src/base/process-memory.ts';

const MIB = 2 ** 20;

/** Fewer than what V8 collects by itself for. */
function letGo(): void {
  for (let i = 0; i < 256; i++) new Uint8Array(64 * 1024).fill(i);
}

// V8 may collect by itself in between, and then nothing was shown.
test('buffers that were let go of are freed', { retry: 3 }, async () => {
  collectYoung();
  const before = process.memoryUsage().arrayBuffers;
  letGo();
  expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThan(8 * MIB);
  collectYoung();
  await expect.poll(() => process.memoryUsage().arrayBuffers - before, { timeout: 10_000, interval: 5 }).toBeLessThan(4 * MIB);
});
