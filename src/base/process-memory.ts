/** What this process takes of memory and processor, and how to free what the collector leaves lying. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

interface Collection {
  readonly type: 'minor' | 'major';
  readonly execution: 'sync';
  readonly flavor?: 'last-resort';
}

let gc: ((options: Collection) => void) | undefined;

function collect(options: Collection): void {
  if (gc === undefined) {
    setFlagsFromString('--expose-gc');
    gc = runInNewContext('gc') as (options: Collection) => void;
  }
  gc(options);
}

/** Gives back to the system what this thread does not need. Stops it for some 100 ms for every 100 MB in use: not for every day. */
export const releaseMemory = (): void => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });

/** Frees the buffers that this thread has let go of lately, in a millisecond or two. V8 by itself waits for 32 MiB of them in every thread. */
export const collectYoung = (): void => collect({ type: 'minor', execution: 'sync' });

/** Bytes of the process that are resident. */
export const residentBytes = (): number => process.memoryUsage.rss();

/** Processor time of the process since its start, all threads together, ms. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
