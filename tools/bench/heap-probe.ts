/** Preloaded into a daemon: on SIGUSR2 it collects garbage and writes the bytes of heap in use to the file that BENCH_HEAP names. */

import { writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { releaseMemory } from '../../src/base/process-memory.ts';

if (isMainThread) {
  process.on('SIGUSR2', () => {
    releaseMemory();
    const { heapUsed, external } = process.memoryUsage();
    writeFileSync(process.env.BENCH_HEAP ?? '', String(heapUsed + external));
  });
}
