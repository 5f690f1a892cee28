/** The heap of this thread and the processor time of this process, and how to give back what the collector holds. */

import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { readonly type: 'major'; readonly execution: 'sync'; readonly flavor: 'last-resort' }) => void;

let collect: Collect | undefined;

/** Stops this thread for some 100 ms for every 100 MB in use: not for every day. */
export function releaseMemory(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
  }
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/** Bytes on the heap of this thread, garbage included. */
export const heapUsed = (): number => getHeapStatistics().used_heap_size;

/** Processor time of the process since its start, all threads together, ms. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
