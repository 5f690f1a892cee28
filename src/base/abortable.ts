/** Waiting that ends at once when a signal fires, even if what is waited for never answers. */

/** `promise`, or a rejection with `signal.reason` as soon as it is aborted. The work behind the promise goes on unobserved. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/**
 * Passes `source` on, ending with `signal.reason` as soon as it is aborted, also while a chunk is awaited.
 *
 * The source is told to finish in every case; after an abort nobody waits for it, because it may hang.
 */
export async function* abortable<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
  if (signal === undefined) return yield* source;
  signal.throwIfAborted();
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const result = await orAbort(iterator.next(), signal);
      if (result.done === true) {
        ended = true;
        return;
      }
      yield result.value;
      signal.throwIfAborted();
    }
  } catch (error) {
    // A source that threw has ended by itself; one that was aborted is told so without waiting for it.
    ended = true;
    if (signal.aborted) iterator.return?.().then(undefined, () => {});
    throw error;
  } finally {
    if (!ended) await iterator.return?.();
  }
}
