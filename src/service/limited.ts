/** A limit on how long a call to something outside may take. */

import { orAbort } from '../base/abortable.ts';
import type { Clock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';

export interface Limit {
  readonly clock: Clock;
  /** ms > 0. */
  readonly ms: number;
  /** What is being done, for the error. */
  readonly what: string;
  /** Aborting it ends the call, too. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs `work`; TIMEOUT when it has not settled in time, `signal.reason` when aborted. Work that ignores its signal goes on unobserved. */
export async function limited<T>({ clock, ms, what, signal }: Limit, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  signal?.throwIfAborted();
  const call = new AbortController();
  const onAbort = () => call.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const done = new AbortController();
  clock.sleep(ms, { signal: done.signal, unref: true }).then(
    () =>
      call.abort(
        new LitestreamError('TIMEOUT', `${what}: no answer within ${ms / 1000} s`, {
          hint: 'Is the destination reachable? A mounted directory whose server is gone hangs like this.',
        }),
      ),
    () => {},
  );
  try {
    return await orAbort(work(call.signal), call.signal);
  } finally {
    done.abort();
    signal?.removeEventListener('abort', onAbort);
  }
}
