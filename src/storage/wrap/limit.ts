/** Bounds how many operations and open streams a store is asked for at once. */

import { Semaphore } from '../../base/semaphore.ts';
import { once } from '../body.ts';
import type { CallOptions, ObjectInfo, ObjectStore, OpenedObject, OpenOptions, PutBody, PutOptions } from '../object-store.ts';
import { type ListOptions, WrappedStore } from './wrapped-store.ts';

export interface LimitSettings {
  /** Operations running at once, ≥ 1. A listing counts only while its next object is awaited. */
  readonly operations: number;
  /** Opened objects that are neither read to their end nor closed, ≥ 1. */
  readonly streams: number;
}

export const LIMIT_DEFAULTS: LimitSettings = { operations: 16, streams: 32 };

/**
 * Waiters are served in the order of their coming and leave the queue when their signal fires. Who holds `streams` bodies and asks for one
 * more before reading any waits for ever: merges of many files read ranges instead.
 */
export class LimitStore extends WrappedStore {
  readonly #operations: Semaphore;
  readonly #streams: Semaphore;

  constructor(inner: ObjectStore, settings: LimitSettings = LIMIT_DEFAULTS) {
    super(inner);
    this.#operations = new Semaphore(settings.operations);
    this.#streams = new Semaphore(settings.streams);
  }

  override async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    const iterator = this.inner.list(prefix, options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const result = await this.#operations.run(() => iterator.next(), options.signal);
        if (result.done === true) return;
        yield result.value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  override async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const release = await this.#streams.acquire(options.signal);
    try {
      const opened = await this.#operations.run(() => this.inner.open(key, options), options.signal);
      const close = async () => {
        await opened.close();
        release();
      };
      return { ...opened, body: once(key, () => releasing(opened, release)), close };
    } catch (error) {
      release();
      throw error;
    }
  }

  override put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#operations.run(() => this.inner.put(key, body, options), options.signal);
  }

  override stat(key: string, options: CallOptions = {}): Promise<ObjectInfo> {
    return this.#operations.run(() => this.inner.stat(key, options), options.signal);
  }

  override delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    return this.#operations.run(() => this.inner.delete(keys, options), options.signal);
  }
}

async function* releasing(opened: OpenedObject, release: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* opened.body;
  } finally {
    release();
  }
}
