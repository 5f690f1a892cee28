/** Waits for a job on behalf of a call, and answers with the job when the call's patience ends first (docs/mcp.md, A restore takes two calls). */

import type { Job } from './job-work.ts';
import type { CallContext } from './verb.ts';
import type { World } from './world.ts';

const DEFAULT_WAIT_SECONDS = 20;

/** How long this call waits, ms. Operators wait for the end unless they said otherwise. */
export function patienceOf(waitSeconds: number | undefined, { caller }: CallContext): number {
  if (waitSeconds !== undefined) return waitSeconds * 1000;
  return caller.operator ? Number.POSITIVE_INFINITY : DEFAULT_WAIT_SECONDS * 1000;
}

export interface Waiting {
  readonly ms: number;
  readonly call: CallContext;
  /** The call began this job: when the call is cancelled while it waits, the job is too. */
  readonly owns: boolean;
}

/** True when the job has ended, false when the time is up. Rejects with the call's reason when that is aborted. */
export async function waitFor(world: World, job: Job, { ms, call, owns }: Waiting): Promise<boolean> {
  const { signal, progress } = call;
  const unwatch = progress ? job.watch(progress) : () => {};
  const enough = new AbortController();
  const onAbort = () => enough.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await Promise.race([job.outcome.catch(() => {}), pause(world, ms, enough.signal)]);
    if (signal.aborted && owns) await world.jobs.cancel(job);
    signal.throwIfAborted();
    return job.ended;
  } finally {
    signal.removeEventListener('abort', onAbort);
    enough.abort();
    unwatch();
  }
}

/** As `waitFor` for the call that began the job: its result, or undefined when the time is up. Rejects with the job's error. */
export async function resultOf<T>(world: World, job: Job<T>, waiting: Omit<Waiting, 'owns'>): Promise<T | undefined> {
  // The list of jobs holds results of every kind.
  const ended = await waitFor(world, job as Job, { ...waiting, owns: true });
  return ended ? await job.outcome : undefined;
}

function pause(world: World, ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  if (ms !== Number.POSITIVE_INFINITY) return world.clock.sleep(ms, { signal }).catch(() => {});
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
