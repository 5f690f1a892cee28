/** Preloaded into a daemon: on SIGUSR2 it collects garbage and writes the bytes of heap in use to the file that BENCH_HEAP names. */

import { writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  process.on('SIGUSR2', () => {
    collect();
    collect();
    const { heapUsed, external } = process.memoryUsage();
    writeFileSync(process.env.BENCH_HEAP ?? '', String(heapUsed + external));
  });
}
