/** What this process takes of memory and processor, and how to free what the collector leaves lying. */

import { BroadcastChannel } from 'node:worker_threads';

/**
 * Does nothing, and V8 collects when it thinks fit, unless the process was started with `--expose-gc`, as the launcher does: every thread has `gc`
 * then. The flags of a running V8 must not be changed, because other threads are reading them.
 */
const collect = (options: NodeJS.GCOptions): void => globalThis.gc?.({ ...options, execution: 'sync' });

/** Gives back to the system what this thread does not need. Stops it for some 100 ms for every 100 MB in use: not for every day. */
export const releaseMemory = (): void => collect({ type: 'major', flavor: 'last-resort' });

/** What tells the threads of a process to give memory back. */
const CHANNEL = 'litestream: release memory';

/** The same in every thread that has called `releaseWithOthers`: they begin at the same time and are not waited for. */
export function releaseEverywhere(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(undefined);
  channel.close();
  releaseMemory();
}

/** From now on this thread, as long as something else keeps it alive, gives back what it does not need whenever another one asks all to. */
export function releaseWithOthers(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = releaseMemory;
  channel.unref();
}

/** Frees the buffers that this thread has let go of lately, in a millisecond or two. V8 by itself waits for 32 MiB of them in every thread. */
export const collectYoung = (): void => collect({ type: 'minor' });

/** Bytes of the process that are resident. */
export const residentBytes = (): number => process.memoryUsage.rss();

/** Processor time of the process since its start, all threads together, ms. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
