/** Time as a collaborator, so that tests can step it. */

export interface Clock {
  /** Wall clock in milliseconds since the Unix epoch. */
  now(): number;
  /** Monotonic milliseconds with fractions, for durations only. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds (>= 0); rejects with `signal.reason` when aborted. The timer does not keep the process alive when `unref` is set. */
  sleep(ms: number, options?: { readonly signal?: AbortSignal; readonly unref?: boolean }): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, { signal, unref = false } = {}) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      if (unref) timer.unref();
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
};
