/** Puts every request of a store under the governor of its destination. */

import { hasCode } from '../../base/errors.ts';
import type { CallOptions, ObjectInfo, ObjectStore, OpenedObject, OpenOptions, PutBody, PutOptions } from '../object-store.ts';
import type { Governor, Refusal } from './governor.ts';
import { type ListOptions, WrappedStore } from './wrapped-store.ts';

function refusalOf(error: unknown): Refusal | undefined {
  if (!hasCode(error, 'STORAGE_THROTTLED')) return undefined;
  const asked = error.details?.retryAfterMs;
  return { retryAfterMs: typeof asked === 'number' ? asked : 0 };
}

/**
 * A listing counts only while its next object is awaited, an open only until its body begins. What is put must come from elsewhere than the
 * same destination: it could wait for the place its own upload holds.
 */
export class ThrottleStore extends WrappedStore {
  readonly #governor: Governor;

  constructor(inner: ObjectStore, governor: Governor) {
    super(inner);
    this.#governor = governor;
  }

  override async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    const iterator = this.inner.list(prefix, options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const result = await this.#run(() => iterator.next(), options);
        if (result.done === true) return;
        yield result.value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  override open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    return this.#run(() => this.inner.open(key, options), options);
  }

  override put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#run(() => this.inner.put(key, body, options), options);
  }

  override stat(key: string, options: CallOptions = {}): Promise<ObjectInfo> {
    return this.#run(() => this.inner.stat(key, options), options);
  }

  override delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    return this.#run(() => this.inner.delete(keys, options), options);
  }

  #run<T>(work: () => Promise<T>, { signal }: CallOptions): Promise<T> {
    return this.#governor.run(work, refusalOf, signal);
  }
}
