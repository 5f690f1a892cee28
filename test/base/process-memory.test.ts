import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { collectYoung, releaseEverywhere } from '../../src/base/process-memory.ts';

const MIB = 2 ** 20;

/** Fewer than what V8 collects by itself for. */
function letGo(): void {
  for (let i = 0; i < 256; i++) new Uint8Array(64 * 1024).fill(i);
}

test('buffers that were let go of are freed', async () => {
  let before = 0;
  const held = (): number => {
    collectYoung();
    before = process.memoryUsage().arrayBuffers;
    letGo();
    return process.memoryUsage().arrayBuffers - before;
  };
  // V8 may collect by itself in between, and then nothing was shown.
  await expect.poll(held, { interval: 5 }).toBeGreaterThan(8 * MIB);
  collectYoung();
  await expect.poll(() => process.memoryUsage().arrayBuffers - before, { interval: 5 }).toBeLessThan(4 * MIB);
});

/** Makes 64 MiB of garbage that has become old, and tells its heap when asked. */
const GARBAGE = `
  const { parentPort } = require('node:worker_threads');
  import(process.argv[2]).then(({ releaseWithOthers }) => {
    releaseWithOthers();
    let kept = Array.from({ length: 2 ** 20 }, (_, i) => ({ i, of: [i] }));
    parentPort.on('message', () => parentPort.postMessage(process.memoryUsage().heapTotal));
    parentPort.postMessage(process.memoryUsage().heapTotal);
    kept = undefined;
  });
`;

test('a thread that takes part gives back what it does not need when another one asks', async () => {
  const module = new URL('../../src/base/process-memory.ts', import.meta.url).href;
  const worker = new Worker(GARBAGE, { eval: true, argv: [module] });
  try {
    const [before] = await once(worker, 'message');
    expect(before).toBeGreaterThan(50 * MIB);
    releaseEverywhere();
    const heap = async () => {
      worker.postMessage('how much?');
      return (await once(worker, 'message'))[0];
    };
    await expect.poll(heap).toBeLessThan(20 * MIB);
  } finally {
    await worker.terminate();
  }
});
