/** Creating objects at a store that may or may not be able to refuse an existing one. */

import { hasCode, LitestreamError } from '../base/errors.ts';
import type { CallOptions, ObjectInfo, ObjectStore, PutBody, PutOptions } from '../storage/object-store.ts';

export interface CreateOptions extends PutOptions {
  /** Called where only a look can be taken beforehand: what is created may be replaced by others who do the same. */
  readonly onUnguarded?: () => void;
}

/** Creates where the store can, else looks and writes. PRECONDITION_FAILED where an object of this name was met. */
export async function create(
  store: ObjectStore,
  key: string,
  body: PutBody,
  { onUnguarded = () => {}, ...options }: CreateOptions,
): Promise<ObjectInfo> {
  if (!store.capabilities.conditionalPut) {
    onUnguarded();
    return store.put(key, body, options);
  }
  try {
    return await store.put(key, body, { ...options, ifAbsent: true });
  } catch (error) {
    // The destination turns out to lack what its kind usually has (a file system without hard links).
    if (!hasCode(error, 'NOT_SUPPORTED')) throw error;
    onUnguarded();
    if (!(await exists(store, key, { signal: options.signal }))) return store.put(key, body, options);
    throw new LitestreamError('PRECONDITION_FAILED', `creating ${key} at ${store.destination}: it exists`, { cause: error });
  }
}

/** Costs one look. */
export async function exists(store: ObjectStore, key: string, call: CallOptions): Promise<boolean> {
  try {
    await store.stat(key, call);
    return true;
  } catch (error) {
    if (hasCode(error, 'OBJECT_NOT_FOUND')) return false;
    throw error;
  }
}
